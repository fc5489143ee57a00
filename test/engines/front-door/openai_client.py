"""Calls the coordinator as users of the openai package do; prints what came, as JSON."""

import asyncio
import json
import sys

import openai

clip, = sys.argv[1:]
client = openai.OpenAI(max_retries=0)
found = {}


def ask(**more):
    with open(clip, "rb") as file:
        return client.audio.transcriptions.create(file=file, model="whisper-1", **more)


for form in ["json", "verbose_json", "text", "srt", "vtt"]:
    said = ask(response_format=form)
    found[form] = said if isinstance(said, str) else said.model_dump()
words = ask(response_format="verbose_json", timestamp_granularities=["word", "segment"])
found["granularities"] = words.model_dump()

found["stream"] = [event.model_dump() for event in ask(stream=True)]

with open(clip, "rb") as file:
    raw = client.audio.transcriptions.with_raw_response.create(
        file=file, model="gpt-4o-transcribe", language="en", temperature=0.2, extra_headers={"Prefer": "respond-async"}
    )
found["async"] = [raw.status_code, raw.headers["location"], raw.headers["morag-warning"]]

found["models"] = [model.id for model in client.models.list()]

errors = found["errors"] = {}


def fails(name, call):
    try:
        call()
    except openai.APIStatusError as error:
        errors[name] = [type(error).__name__, error.code, error.message]


fails("model", lambda: client.audio.transcriptions.create(file=open(clip, "rb"), model="nobody-has-it"))
fails("noise", lambda: client.audio.transcriptions.create(file=("a.mp3", b"no media"), model="whisper-1"))
fails("translation", lambda: client.audio.translations.create(file=open(clip, "rb"), model="whisper-1"))
fails("speakers", lambda: ask(response_format="diarized_json"))
fails("key", lambda: client.with_options(api_key="sk-wrong").models.list())


async def at_once():
    other = openai.AsyncOpenAI()
    calls = [other.audio.transcriptions.create(file=open(clip, "rb"), model="whisper-1") for _ in range(3)]
    return [said.text for said in await asyncio.gather(*calls)]


found["at_once"] = asyncio.run(at_once())
print(json.dumps(found))
