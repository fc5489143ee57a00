"""The routes of the MoRAG server that the coordinator uses, in one of its versions, as a FastAPI program.

    server.py <stages|process|ingest|ingest-form> [port]

Only what a request meets is here: the routes, their parameters, the checks of an upload, and the shape of the answers.
Nothing is converted or indexed. Needs fastapi, uvicorn and python-multipart.
"""

import json
import mimetypes
import re
import socket
import sys
import threading
import urllib.request
import uuid
from enum import Enum
from pathlib import Path
from typing import Any, Dict, List, Literal, Optional, Union

import uvicorn
from fastapi import APIRouter, Body, FastAPI, File, Form, HTTPException, UploadFile
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

VERSION = sys.argv[1]
app = FastAPI()

ENDINGS = set(
    ".pdf .txt .docx .doc .pptx .ppt .xlsx .xls .mp3 .wav .m4a .flac .ogg .mp4 .avi .mov .mkv .webm "
    ".jpg .jpeg .png .gif .bmp .tiff .webp .html .htm .md .rtf".split()
)
MEDIA_TYPES = set(
    "application/pdf text/plain text/markdown application/msword application/vnd.ms-powerpoint "
    "application/vnd.ms-excel application/vnd.openxmlformats-officedocument.wordprocessingml.document "
    "application/vnd.openxmlformats-officedocument.presentationml.presentation "
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet audio/mpeg audio/wav audio/mp4 "
    "audio/flac audio/ogg video/mp4 video/avi video/quicktime video/x-msvideo video/x-matroska video/webm "
    "image/jpeg image/png image/gif image/bmp image/tiff image/webp text/html application/rtf".split()
)
CONVERTED = "pdf doc docx txt md html rtf".split()
# Without this machine's own list, which knows more than Python.
mimetypes.init(files=[])
TASKS: Dict[str, Dict[str, Any]] = {}


class UploadError(Exception):
    pass


def check_upload(file: UploadFile) -> None:
    if not file.filename:
        raise UploadError("No filename provided")
    ending = Path(file.filename).suffix.lower()
    if ending not in ENDINGS:
        allowed = ", ".join(sorted(ENDINGS))
        raise UploadError(f"File extension '{ending}' not allowed. Allowed extensions: {allowed}")
    if file.content_type and file.content_type not in MEDIA_TYPES:
        guessed, _ = mimetypes.guess_type(file.filename)
        if guessed not in MEDIA_TYPES:
            raise UploadError(f"MIME type '{file.content_type}' not allowed")


def post(url: Optional[str], payload: Dict[str, Any]) -> None:
    """A callback: tried once, whatever comes of it."""
    if not url:
        return
    headers = {"content-type": "application/json"}
    data = json.dumps(payload).encode()
    try:
        urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=10).read()
    except OSError:
        pass


def start_task(text: str, webhook_url: Optional[str]) -> str:
    task_id = str(uuid.uuid4())
    TASKS[task_id] = {"success": True, "chunks_processed": 2, "total_text_length": len(text), "metadata": {}}
    payload = {"task_id": task_id, "status": "SUCCESS", "result": TASKS[task_id]}
    threading.Timer(0.05, post, (webhook_url, payload)).start()
    return task_id


class StageName(str, Enum):
    MARKDOWN_CONVERSION = "markdown-conversion"
    MARKDOWN_OPTIMIZER = "markdown-optimizer"
    CHUNKER = "chunker"
    FACT_GENERATOR = "fact-generator"
    INGESTOR = "ingestor"


class WebhookConfig(BaseModel):
    url: str
    auth_token: Optional[str] = None
    headers: Optional[Dict[str, str]] = None


class StageRequest(BaseModel):
    input_files: Optional[List[str]] = None
    config: Optional[Dict[str, Any]] = None
    output_dir: str = "./output"
    webhook_config: Optional[WebhookConfig] = None


class ChainRequest(BaseModel):
    stages: List[StageName]
    input_files: Optional[List[str]] = None
    global_config: Optional[Dict[str, Any]] = None
    stage_configs: Optional[Dict[StageName, Dict[str, Any]]] = None
    webhook_config: Optional[WebhookConfig] = None
    return_content: bool = False


class StageFile(BaseModel):
    filename: str
    file_path: str
    content: Optional[str] = None


class StageMetadata(BaseModel):
    execution_time: float
    input_files: List[str]
    config_used: Dict[str, Any]
    warnings: List[str] = Field(default_factory=list)


class StageResponse(BaseModel):
    success: bool
    stage_type: StageName
    status: str
    output_files: List[StageFile]
    metadata: StageMetadata
    error_message: Optional[str] = None
    webhook_sent: bool = False


class ChainResponse(BaseModel):
    success: bool
    stages_executed: List[StageResponse]
    total_execution_time: float
    failed_stage: Optional[StageName] = None
    final_output_files: List[StageFile]


def stage_answer(name: StageName, file: UploadFile, config: Dict[str, Any], content: Optional[str]) -> StageResponse:
    output = StageFile(filename=f"{name.value}.out", file_path=f"/tmp/{name.value}.out", content=content)
    metadata = StageMetadata(execution_time=0.5, input_files=[file.filename or ""], config_used=config)
    return StageResponse(success=True, stage_type=name, status="completed", output_files=[output], metadata=metadata)


def stages() -> None:
    router = APIRouter(prefix="/api/v1/stages")

    @router.post("/{stage_name}/execute", response_model=StageResponse)
    async def execute(
        stage_name: str,
        request: Optional[Union[StageRequest, str]] = Body(None),
        file: Optional[UploadFile] = File(None),
        output_dir: Optional[str] = Form("./output"),
        config: Optional[str] = Form(None),
        input_files: Optional[str] = Form(None),
        webhook_url: Optional[str] = Form(None),
        return_content: bool = Form(False),
    ):
        try:
            try:
                name = StageName(stage_name)
            except ValueError:
                valid = [one.value for one in StageName]
                detail = f"Invalid stage name: {stage_name}. Valid stages: {valid}"
                raise HTTPException(status_code=400, detail=detail)
            if isinstance(request, str):
                try:
                    request = StageRequest(**json.loads(request))
                except (json.JSONDecodeError, ValueError) as error:
                    raise HTTPException(status_code=400, detail=f"Invalid JSON request: {error}")
            options = (request.config or {}) if request is not None else json.loads(config) if config else {}
            if not file:
                raise HTTPException(status_code=400, detail="Either file upload or input_files must be provided")
            check_upload(file)
            text = (await file.read()).decode("utf-8", "replace")
            return stage_answer(name, file, options, text if return_content else None)
        except HTTPException:
            raise
        except Exception as error:
            raise HTTPException(status_code=500, detail=f"Stage '{stage_name}' execution failed: {error}")

    @router.post("/chain", response_model=ChainResponse)
    async def chain(
        request: Union[ChainRequest, str] = Body(...),
        file: Optional[UploadFile] = File(None),
    ):
        try:
            if isinstance(request, str):
                try:
                    request = ChainRequest(**json.loads(request))
                except (json.JSONDecodeError, ValueError) as error:
                    raise HTTPException(status_code=400, detail=f"Invalid JSON request: {error}")
            if not file:
                raise HTTPException(status_code=400, detail="Either file upload or input_files must be provided")
            check_upload(file)
            configs = {name.value: config for name, config in (request.stage_configs or {}).items()}
            written = {"ingestion_results": {"chunks_ingested": 2}, "metadata": {"databases": ["qdrant"]}}
            content = json.dumps(written) if request.return_content else None
            done = [stage_answer(name, file, configs.get(name.value, {}), content) for name in request.stages]
            if request.webhook_config:
                payload = {"type": "stage_chain_completion", "success": True, "stages_executed": len(done)}
                threading.Timer(0, post, (request.webhook_config.url, payload)).start()
            return ChainResponse(
                success=True, stages_executed=done, total_execution_time=1.5, final_output_files=done[-1].output_files
            )
        except HTTPException:
            raise
        except Exception as error:
            raise HTTPException(status_code=500, detail=f"Stage chain execution failed: {error}")

    @router.get("/health")
    async def health():
        return {"status": "healthy"}

    @app.get("/api/v1/process")
    @app.post("/api/v1/process")
    @app.get("/api/v1/ingest")
    @app.post("/api/v1/ingest")
    async def removed():
        message = "This endpoint has been removed. Use the new stage-based API."
        return JSONResponse(status_code=410, content={"error": "Endpoint Deprecated", "message": message})

    app.include_router(router)


class ProcessRequest(BaseModel):
    mode: Literal["convert", "process", "ingest"]
    source_type: Literal["file", "url", "batch"]
    url: Optional[str] = None
    content_type: Optional[str] = None
    document_id: Optional[str] = None
    replace_existing: bool = False
    processing_options: Optional[Dict[str, Any]] = None
    database_config: Optional[Dict[str, Any]] = None
    webhook_config: Optional[WebhookConfig] = None
    metadata: Optional[Dict[str, Any]] = None


class ProcessResponse(BaseModel):
    success: bool
    mode: str
    content: Optional[str] = None
    metadata: Optional[Dict[str, Any]] = None
    task_id: Optional[str] = None
    document_id: Optional[str] = None
    error_message: Optional[str] = None


def process() -> None:
    @app.post("/api/v1/process", response_model=ProcessResponse)
    async def unified(file: Optional[UploadFile] = File(default=None), request_data: str = Form(...)):
        try:
            request = ProcessRequest(**json.loads(request_data))
        except (json.JSONDecodeError, ValueError) as error:
            raise HTTPException(status_code=400, detail=f"Invalid request data: {error}")
        if request.source_type == "file" and not file:
            raise HTTPException(status_code=400, detail="File upload required for source_type='file'")
        if request.mode == "ingest" and not request.webhook_config:
            raise HTTPException(status_code=400, detail="Webhook configuration required for mode='ingest'")
        try:
            check_upload(file)
            text = (await file.read()).decode("utf-8", "replace")
            if request.mode == "ingest":
                task_id = start_task(text, request.webhook_config.url)
                return ProcessResponse(success=True, mode="ingest", task_id=task_id, document_id=request.document_id)
            ending = Path(file.filename).suffix.lower().lstrip(".")
            if request.mode == "convert" and ending not in CONVERTED:
                raise HTTPException(status_code=400, detail=f"Convert mode not supported for file type: {ending}")
            return ProcessResponse(success=True, mode=request.mode, content=text, metadata={"format": ending})
        except HTTPException:
            raise
        except Exception as error:
            return ProcessResponse(success=False, mode=request.mode, error_message=str(error))


class IngestRequest(BaseModel):
    source_type: Optional[str] = None
    document_id: Optional[str] = None
    replace_existing: bool = False
    webhook_url: Optional[str] = None
    metadata: Optional[Dict[str, Any]] = None
    chunk_size: Optional[int] = None
    chunk_overlap: Optional[int] = None
    chunking_strategy: Optional[str] = None
    databases: Optional[List[Dict[str, Any]]] = None
    language: Optional[str] = None


class IngestResponse(BaseModel):
    task_id: str
    status: str
    message: str
    estimated_time: Optional[int] = None


class ProcessingResult(BaseModel):
    success: bool
    content: str
    metadata: Dict[str, Any]
    processing_time: float
    error_message: Optional[str] = None


def queued(task_id: str, file: UploadFile) -> IngestResponse:
    message = f"File '{file.filename}' queued for ingestion"
    return IngestResponse(task_id=task_id, status="pending", message=message, estimated_time=300)


def process_file() -> None:
    @app.post("/process/file", response_model=ProcessingResult)
    async def convert(
        file: UploadFile = File(...),
        content_type: Optional[str] = Form(default=None),
        options: Optional[str] = Form(default=None),
    ):
        if options:
            try:
                json.loads(options)
            except json.JSONDecodeError as error:
                raise HTTPException(status_code=400, detail=f"Invalid JSON in options: {error}")
        try:
            check_upload(file)
        except UploadError as error:
            raise HTTPException(status_code=400, detail=str(error))
        text = (await file.read()).decode("utf-8", "replace")
        return ProcessingResult(success=True, content=text, metadata={}, processing_time=0.5)


def ingest() -> None:
    @app.post("/api/v1/ingest/file", response_model=IngestResponse)
    async def ingest_file(file: UploadFile = File(...), request_data: str = Form(...)):
        try:
            request = IngestRequest(**json.loads(request_data))
        except (json.JSONDecodeError, ValueError) as error:
            raise HTTPException(status_code=400, detail=f"Invalid request data: {error}")
        try:
            check_upload(file)
        except UploadError as error:
            raise HTTPException(status_code=400, detail=f"File upload failed: {error}")
        text = (await file.read()).decode("utf-8", "replace")
        return queued(start_task(text, request.webhook_url), file)

    process_file()


def ingest_form() -> None:
    @app.post("/api/v1/ingest/file", response_model=IngestResponse)
    async def ingest_file(
        source_type: Optional[str] = Form(default=None),
        file: UploadFile = File(...),
        document_id: Optional[str] = Form(default=None),
        replace_existing: bool = Form(default=False),
        webhook_url: Optional[str] = Form(default=None),
        metadata: Optional[str] = Form(default=None),
        chunk_size: Optional[int] = Form(default=None),
        chunk_overlap: Optional[int] = Form(default=None),
        chunking_strategy: Optional[str] = Form(default=None),
    ):
        if metadata:
            try:
                json.loads(metadata)
            except json.JSONDecodeError as error:
                raise HTTPException(status_code=400, detail=f"Invalid JSON in metadata: {error}")
        try:
            check_upload(file)
        except UploadError as error:
            raise HTTPException(status_code=400, detail=str(error))
        if chunk_size is not None and not 500 <= chunk_size <= 16000:
            raise HTTPException(status_code=400, detail="chunk_size must be between 500 and 16000 characters")
        if chunk_overlap is not None and not 0 <= chunk_overlap <= 1000:
            raise HTTPException(status_code=400, detail="chunk_overlap must be between 0 and 1000 characters")
        if document_id and not re.match(r"^[a-zA-Z0-9_-]+$", document_id):
            detail = "Document ID must contain only alphanumeric characters, hyphens, and underscores"
            raise HTTPException(status_code=400, detail=detail)
        text = (await file.read()).decode("utf-8", "replace")
        return queued(start_task(text, webhook_url), file)

    process_file()


def status() -> None:
    @app.get("/api/v1/status/{task_id}")
    async def task_status(task_id: str):
        result = TASKS.get(task_id)
        state = "completed" if result else "pending"
        return {"task_id": task_id, "status": state, "progress": 0.0, "result": result, "error": None}


{"stages": stages, "process": process, "ingest": ingest, "ingest-form": ingest_form}[VERSION]()
if VERSION != "stages":
    status()

listener = socket.create_server(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0))
print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
uvicorn.run(app, fd=listener.fileno(), log_level="error")
