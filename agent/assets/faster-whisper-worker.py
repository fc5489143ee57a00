"""One Whisper model of faster-whisper, kept loaded: requests as lines of JSON on standard input, events on standard output.

Requests, one at a time (times in seconds of the WAV file, which is 16 kHz, mono, signed 16 bit):
  {"op": "load", "model", "device", "compute_type", "threads"}
  {"op": "detect", "wavs": [path, ...]}
  {"op": "transcribe", "wav", "windows": [[start, end], ...], "language", "task", "batch", "words", "prompt", "hotwords",
   "again"}
Events: {"event": "segment", ...}, {"event": "progress"}, and last either {"event": "done", ...} or
{"event": "failed", "text": traceback}. The process ends after a failure: an allocator that has failed is not to be
trusted. It also ends when standard input does: then the agent is gone.
"""

import json
import math
import os
import queue
import sys
import threading
import traceback
import wave

# What a library prints must not break the stream of events.
EVENTS = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)


def tell(event, **facts):
    EVENTS.write(json.dumps({"event": event, **facts}, ensure_ascii=True, allow_nan=False) + "\n")
    EVENTS.flush()


def samples_of(path):
    import numpy

    with wave.open(path, "rb") as file:
        frames = file.readframes(file.getnframes())
    return numpy.frombuffer(frames, dtype="<i2").astype(numpy.float32) / 32768.0


def finite(number):
    return number if number is not None and math.isfinite(number) else None


def resident_bytes():
    """Memory that the process holds; null where the system does not say so by this file."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


class Worker:
    def __init__(self):
        self.model = None
        self.pipeline = None

    def load(self, request):
        try:
            from faster_whisper import BatchedInferencePipeline, WhisperModel
        except ImportError as error:
            raise ModuleNotFoundError("No module named 'faster_whisper' of version 1.1 or newer") from error
        threads = request.get("threads")
        self.model = WhisperModel(
            request["model"],
            device=request["device"],
            compute_type=request["compute_type"],
            **({} if threads is None else {"cpu_threads": threads}),
        )
        # One that was left in the middle shifts the first words of the next recording: each has its own.
        self.pipeline = lambda: BatchedInferencePipeline(model=self.model)
        tell("done", bytes=resident_bytes())

    def detect(self, request):
        found = []
        for path in request["wavs"]:
            audio = samples_of(path)
            if len(audio) == 0 or not self.model.model.is_multilingual:
                found.append(None)
                continue
            language, probability, _ = self.model.detect_language(audio)
            found.append({"language": language, "probability": finite(probability) or 0})
            tell("progress")
        tell("done", languages=found, bytes=resident_bytes())

    def transcribe(self, request):
        audio = samples_of(request["wav"])
        windows = request["windows"]
        batch = request["batch"]
        common = {
            "language": request["language"],
            "task": request["task"],
            "word_timestamps": request["words"],
            "condition_on_previous_text": False,
            "vad_filter": False,
            "initial_prompt": request["prompt"],
            "hotwords": request["hotwords"],
        }
        if batch is not None and batch > 1 and not request["again"]:
            segments, info = self.pipeline().transcribe(
                audio,
                batch_size=batch,
                without_timestamps=False,
                clip_timestamps=[{"start": start, "end": end} for start, end in windows],
                **common,
            )
        else:
            # Batches skip every check of the text, so a second try goes without, and begins less sure of itself.
            checks = {"temperature": [0.2, 0.4, 0.6]} if request["again"] else {}
            if request["words"]:
                checks["hallucination_silence_threshold"] = 2.0
            segments, info = self.model.transcribe(
                audio,
                clip_timestamps=[time for window in windows for time in window],
                **checks,
                **common,
            )
        for segment in segments:
            tell(
                "segment",
                start=finite(segment.start),
                end=finite(segment.end),
                text=segment.text,
                avg_logprob=finite(segment.avg_logprob),
                no_speech_prob=finite(segment.no_speech_prob),
                compression_ratio=finite(segment.compression_ratio),
                words=[
                    {
                        "start": finite(word.start),
                        "end": finite(word.end),
                        "word": word.word,
                        "probability": finite(word.probability),
                    }
                    for word in segment.words or []
                ],
            )
        tell(
            "done",
            language=info.language,
            probability=finite(info.language_probability),
            bytes=resident_bytes(),
        )


def read(requests):
    for line in sys.stdin:
        requests.put(json.loads(line))
    # The agent is gone. The main thread may be within a library that cannot be interrupted.
    os._exit(0)


def main():
    requests = queue.Queue()
    threading.Thread(target=read, args=(requests,), daemon=True).start()
    worker = Worker()
    while True:
        request = requests.get()
        try:
            getattr(worker, request["op"])(request)
        except BaseException:
            tell("failed", text=traceback.format_exc()[-8000:])
            os._exit(1)


main()
