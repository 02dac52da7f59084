"""Models of nnU-Net v2, read into bundles and written back.

This lives in the plugin, not in the core: it must know the options of this plugin's networks, which the core never
reads. The command reaches `import_model` and `export_model` by name, as it reaches everything that plugins give.
"""

from nnplug_nnunet.nnunet_models.exporting import export_checkpoint, export_model
from nnplug_nnunet.nnunet_models.importing import import_model
from nnplug_nnunet.nnunet_models.translation import plans_from_nnunet, plans_to_nnunet

__all__ = ["export_checkpoint", "export_model", "import_model", "plans_from_nnunet", "plans_to_nnunet"]
