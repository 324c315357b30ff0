"""Pictures, videos and sounds sent by clients."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse

from wayframe.web.answers import file_answer, json_answer
from wayframe.web.media_uploads import MediaUpload
from wayframe.web.site import Here
from wayframe.web.uploads import ID, Upload

router = APIRouter(prefix="/uploads", tags=["uploads"])
UploadId = Annotated[str, Path(pattern=ID)]
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post("", response_model=Upload, status_code=201, responses={200: {"model": Upload}}, openapi_extra=_BODY)
async def send_picture(request: Request, site: Here, name: Annotated[str, Query(max_length=500)] = "") -> Response:
    """Send one picture as the body; its id is the sha256 of its bytes, and `name` is how it is shown.

    Answers 200 when it is here already.
    """
    upload, is_new = await site.uploads.picture(request.stream(), name=name)
    headers = {"Location": f"/api/v1/uploads/{upload.id}"}
    return JSONResponse(upload.model_dump(), status_code=201 if is_new else 200, headers=headers)


@router.post(
    "/media", response_model=MediaUpload, status_code=201, responses={200: {"model": MediaUpload}}, openapi_extra=_BODY
)
async def send_media(request: Request, site: Here, name: Annotated[str, Query(max_length=500)] = "") -> Response:
    """Send one video or sound as the body, for a spec that names it (`files` of a draft).

    Answers 200 when it is here already.
    """
    upload, is_new = await site.media.receive(request.stream(), name=name)
    headers = {"Location": f"/api/v1/uploads/media/{upload.id}"}
    return JSONResponse(upload.model_dump(), status_code=201 if is_new else 200, headers=headers)


@router.get("/media/{upload_id}", response_model=MediaUpload)
def get_media(request: Request, site: Here, upload_id: UploadId) -> Response:
    """What is known of a video or sound that was sent."""
    return json_answer(request, site.media.find(upload_id))


@router.get(
    "/media/{upload_id}/thumbnail.jpg",
    response_class=FileResponse,
    responses={200: {"description": "A small JPEG", "content": {"image/jpeg": {}}}},
)
def get_last_frame(request: Request, site: Here, upload_id: UploadId) -> Response:
    """The last frame of a video as a small JPEG."""
    return file_answer(request, site.media.thumbnail(upload_id), media_type="image/jpeg")


@router.get("/{upload_id}", response_model=Upload)
def get_upload(request: Request, site: Here, upload_id: UploadId) -> Response:
    """What is known of a picture that was sent."""
    return json_answer(request, site.uploads.find(upload_id))


@router.get(
    "/{upload_id}/thumbnail.jpg",
    response_class=FileResponse,
    responses={200: {"description": "A small JPEG", "content": {"image/jpeg": {}}}},
)
def get_thumbnail(request: Request, site: Here, upload_id: UploadId) -> Response:
    """A small JPEG of it, made anew from its pixels: what was sent is never given out."""
    return file_answer(request, site.uploads.thumbnail(upload_id), media_type="image/jpeg")
