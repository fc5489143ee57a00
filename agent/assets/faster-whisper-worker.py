"""One Whisper model of faster-whisper, kept loaded: requests as lines of JSON on standard input, events on standard output.

Requests, one at a time (times in seconds of the WAV file, which is 16 kHz, mono, signed 16 bit):
  {"op": "load", "model", "options" of WhisperModel}
  {"op": "detect", "wavs": [path, ...], "languages": [code, ...] to choose from or null}
  {"op": "transcribe", "wav", "windows": [[start, end], ...], "language", "batch": size or null, "options" of transcribe}
Events: {"event": "segment", ...}, {"event": "progress"}, and last either {"event": "done", ...} or
{"event": "failed", "text": traceback}. The process ends after a failure: an allocator that failed is not to be trusted.
"""

import json
import math
import os
import queue
import sys
import threading
import traceback
import wave

NUMBERS = ("start", "end", "avg_logprob", "no_speech_prob", "compression_ratio")
WORD_NUMBERS = ("start", "end", "probability")
# In seconds: windows have up to half a second of silence at their end.
LEAST_REST = 0.6

# What a library prints must not break the stream of events.
EVENTS = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)


def tell(event, **facts):
    print(json.dumps({"event": event, **facts}, allow_nan=False), file=EVENTS, flush=True)


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


def encoding_once(encode):
    """The language of a window and its text take the same encoding: half of the work for a short note. The last one is kept."""
    last = (None, None)

    def encoded(features):
        nonlocal last
        known, _ = last
        if features.ndim != 2:
            return encode(features)
        if known is None or known.shape != features.shape or not (known == features).all():
            last = (features, encode(features))
        return last[1]

    return encoded


def stopped_at(tokens, begin):
    """Where the model stopped within a window, in its steps of time; 0: it came to the end. It ends with two marks of the
    time where speech goes on."""
    times = [token >= begin for token in tokens]
    if times[-2:] == [False, True]:
        return 0
    pairs = [n for n in range(1, len(times)) if times[n - 1] and times[n]]
    return tokens[pairs[-1] - 1] - begin if pairs else 0


def noting_rests(base):
    """The library's batches drop what follows where the model stopped; one window after the other does not."""

    class Pipeline(base):
        rests = ()

        def forward(self, features, tokenizer, chunks_metadata, options):
            self.chunks = chunks_metadata
            return super().forward(features, tokenizer, chunks_metadata, options)

        def generate_segment_batched(self, features, tokenizer, options):
            encoded, outputs = super().generate_segment_batched(features, tokenizer, options)
            for chunk, output in zip(self.chunks, outputs):
                start, end = chunk["offset"], chunk["offset"] + chunk["duration"]
                steps = stopped_at(output["tokens"], tokenizer.timestamp_begin)
                reached = start + steps * self.model.time_precision
                if start < reached <= end - LEAST_REST:
                    self.rests = [*self.rests, (reached, end)]
            return encoded, outputs

    return Pipeline


class Worker:
    def load(self, request):
        import faster_whisper

        # Before, the times of windows were samples.
        if [int(part) for part in faster_whisper.__version__.split(".")[:2]] < [1, 2]:
            raise ModuleNotFoundError("No module named 'faster_whisper' of version 1.2 or newer")
        self.model = faster_whisper.WhisperModel(request["model"], **request["options"])
        self.model.encode = encoding_once(self.model.encode)
        self.pipeline = noting_rests(faster_whisper.BatchedInferencePipeline)
        tell("done", bytes=resident_bytes())

    def detect(self, request):
        found = []
        languages = request["languages"]
        for path in request["wavs"]:
            audio = samples_of(path)
            if len(audio) == 0 or not self.model.model.is_multilingual:
                found.append(None)
                continue
            # Not padded to 30 s: the encoder's time grows with the length, and the language is the same.
            extractor = self.model.feature_extractor
            encoded = self.model.encode(extractor(audio)[..., : extractor.nb_max_frames])
            tokens = self.model.model.detect_language(encoded)[0]
            choice = [one for one in tokens if languages is None or one[0][2:-2] in languages]
            total = 1 if languages is None else sum(probability for _, probability in choice)
            token, probability = choice[0] if total > 0 else (None, 0)
            found.append(token and {"language": token[2:-2], "probability": finite(probability / total) or 0})
            tell("progress")
        tell("done", languages=found, bytes=resident_bytes())

    def language_of(self, audio, window):
        """Of the window as the recognition takes it, so that it is encoded once."""
        features = self.model.feature_extractor(audio)
        frames = features.shape[-1] - 1
        start, end = (round(time * self.model.frames_per_second) for time in window)
        found, probability, _ = self.model.detect_language(features=features[:, start : min(end, frames)])
        return found, probability

    def batches(self, audio, windows, size, options):
        while windows:
            # One that was left in the middle shifts the first words of the next recording: each has its own.
            pipeline = self.pipeline(model=self.model)
            segments, _ = pipeline.transcribe(
                audio,
                batch_size=size,
                without_timestamps=False,
                clip_timestamps=[{"start": start, "end": end} for start, end in windows],
                **options,
            )
            yield from segments
            windows = pipeline.rests

    def transcribe(self, request):
        audio = samples_of(request["wav"])
        windows = request["windows"]
        language, probability = request["language"], None
        if language is None:
            known = not self.model.model.is_multilingual
            language, probability = ("en", 1) if known else self.language_of(audio, windows[0])
        options = {**request["options"], "language": language}
        if request["batch"] is not None:
            segments = self.batches(audio, windows, request["batch"], options)
        else:
            clips = [time for window in windows for time in window]
            segments, _ = self.model.transcribe(audio, clip_timestamps=clips, **options)
        for segment in segments:
            facts = {name: finite(getattr(segment, name)) for name in NUMBERS}
            words = [
                {"word": word.word, **{name: finite(getattr(word, name)) for name in WORD_NUMBERS}}
                for word in segment.words or []
            ]
            tell("segment", text=segment.text, words=words, **facts)
        tell("done", language=language, probability=finite(probability), bytes=resident_bytes())


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
