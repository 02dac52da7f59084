"""POST /infer/MODEL: predict an image."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from nnplug.errors import NnplugError
from nnplug.registry.components import Registry
from nnplug.runtime.progress import Progress
from nnplug_server.answers import response_to
from nnplug_server.form_parser import SentFile
from nnplug_server.models import ServedModel, chosen
from nnplug_server.prediction import Answer, Output, Parameters, Prediction, seg_writer
from nnplug_server.received_image import ReceivedImage, arrange
from nnplug_server.refusal import Refusal, refusal_of
from nnplug_server.request_scope import new_folder
from nnplug_server.sessions import Sessions
from nnplug_server.settings import Limits
from nnplug_server.uploads import Form, receive_form
from nnplug_server.work import Worker


@dataclass(frozen=True)
class Infer:
    """The predictions of a server.

    Attributes:
        models: name -> model.
        worker: the queue.
        sessions: images that were sent before.
        limits: the sizes that are accepted.
        root: the folder for temporary folders.
        registry: the installed components.
        progress: gets a line per request, without names of files: they may be names of patients.
    """

    models: Mapping[str, ServedModel]
    worker: Worker
    sessions: Sessions
    limits: Limits
    root: Path
    registry: Registry
    progress: Progress

    async def post(
        self, request: Request, model: str, image: str = "", session_id: str = "", output: Output = Output.ALL
    ) -> Response:
        """Answer a request with the label map of its image, the parameters, or both."""
        begin, status = time.monotonic(), "left"
        try:
            answer = await self._answer(request, model, image, session_id, output)
            status = "200"
            return response_to(answer, output)
        except (Refusal, NnplugError) as error:
            refusal = refusal_of(error)
            status = f"{int(refusal.status)}"
            raise refusal from None
        except ClientDisconnect:
            return Response(status_code=499)  # nobody reads it
        finally:
            self.progress.notice(f"infer {model[:40]!r}: {status}, {time.monotonic() - begin:.1f} s")

    async def _answer(self, request: Request, model: str, image: str, session_id: str, output: Output) -> Answer:
        try:
            served = chosen(self.models, model)
        except NnplugError as error:
            raise Refusal(HTTPStatus.NOT_FOUND, error.lines[0]) from error
        if output is Output.DICOM_SEG:
            seg_writer(self.registry)
        with ExitStack() as held:
            held.enter_context(self.worker.place())
            folder = new_folder(request, self.root)
            form = await receive_form(request, folder, self.limits)
            parameters = Parameters.of(form.fields.get("params", ""))
            received = self._received(form, session_id, image, folder) or held.enter_context(
                self.sessions.used(session_id)
            )
            job = Prediction(served, received, parameters, output, folder, self.limits.image, self.registry)
            return await self.worker.run(job, request)

    def _received(self, form: Form, session_id: str, image: str, folder: Path) -> ReceivedImage | None:
        """Return the image of a form, or None if that of a session is wanted.

        Raises:
            Refusal: there is neither, or the form has a label map, which only interactive models take.
        """
        if form.named("label"):
            line = "a label map was sent; the models of nnplug are not interactive, so send the image alone"
            raise Refusal(HTTPStatus.NOT_IMPLEMENTED, line)
        files = form.named("file", "files")
        if not files:
            if session_id:
                return None
            what = f"the image {image!r} is not here: nnplug serve keeps no images" if image else "no image was sent"
            raise Refusal(HTTPStatus.NOT_FOUND, f"{what}; send it as the part 'file' of the form, or in a session")
        return arranged(files, folder, self.models)


def arranged(form_files: tuple[SentFile, ...], folder: Path, models: Mapping[str, ServedModel]) -> ReceivedImage:
    """Return the files of a form as an image; raise `Refusal` for files that are none."""
    readers = next(iter(models.values())).predictor.readers
    archives = {ending for entry in readers.entries for ending in entry.component.archives}

    def ending(name: str) -> str | None:
        archive = next((one for one in archives if name.lower().endswith(one)), None)
        return archive or readers.ending(Path(name))

    try:
        return arrange(form_files, folder, ending)
    except NnplugError as error:
        raise refusal_of(error) from error
