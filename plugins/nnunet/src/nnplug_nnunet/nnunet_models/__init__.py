"""Models of nnU-Net v2: import into bundles, and export.

This belongs to the plugin, not the core, because it reads the options of this plugin's networks, which the core never
reads. The command imports `import_model` and `export_model` by name, like every component.
"""

from nnplug_nnunet.nnunet_models.exporting import export_checkpoint, export_model
from nnplug_nnunet.nnunet_models.importing import import_model
from nnplug_nnunet.nnunet_models.translation import described_reader, plans_from_nnunet, plans_to_nnunet

__all__ = [
    "described_reader",
    "export_checkpoint",
    "export_model",
    "import_model",
    "plans_from_nnunet",
    "plans_to_nnunet",
]
