"""Turn errors of the Hub's library into one line with the model and the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nnplug.errors import NnplugError
from nnplug_hub.reference import Reference


@contextmanager
def explained(reference: Reference) -> Iterator[None]:
    """Turn errors of the Hub's library in a block into one line.

    Raises:
        NnplugError: the model, the revision or a file is not there or not allowed, or the Hub cannot be reached.
    """
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise NnplugError(f"{reference}: its owner wants to know who uses it. Ask for access on its page") from error
    except errors.RepositoryNotFoundError as error:
        raise NnplugError(f"{reference}: no such model, or it is private and HF_TOKEN does not open it") from error
    except errors.RevisionNotFoundError as error:
        raise NnplugError(f"{reference}: the model has no such revision") from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise NnplugError(
            f"{reference}: is not in the cache, and the Hub is not asked or does not answer. See HF_HUB_OFFLINE and "
            "HF_ENDPOINT"
        ) from error
    except errors.RemoteEntryNotFoundError as error:
        raise NnplugError(f"{reference}: lacks a file ({_line(error)}). Push the bundle again") from error
    except (errors.HfHubHTTPError, errors.HTTPError) as error:
        raise NnplugError(f"{reference}: the Hub refuses: {_line(error)}") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
