"""Calls the coordinator as Bazarr's Whisper provider and other clients of whisper-asr-webservice do."""

import json
import sys

import requests

endpoint, clip, video_name = sys.argv[1:]
session = requests.Session()
samples = open(clip, "rb").read()[44:]
found = {}

# Bazarr: custom_libs/subliminal_patch/providers/whisperai.py
detected = session.post(
    f"{endpoint}/detect-language",
    params={"encode": "false", "video_file": {video_name}},
    files={"audio_file": samples},
    timeout=(5, 3600),
)
found["detected"] = detected.json()
subtitle = session.post(
    f"{endpoint}/asr",
    params={"task": "transcribe", "language": "en", "output": "srt", "encode": "false", "video_file": {video_name}},
    files={"audio_file": samples},
    timeout=(5, 3600),
)
found["subtitle"] = subtitle.content.decode()
found["job"] = subtitle.headers["morag-job"]

# As whisper-asr-webservice's page has it.
for output in ["txt", "vtt", "srt", "tsv", "json"]:
    with open(clip, "rb") as file:
        answer = session.post(
            f"{endpoint}/asr",
            params={"encode": "true", "task": "transcribe", "word_timestamps": "true", "output": output},
            files={"audio_file": ("clip.wav", file, "audio/wav")},
        )
    found[output] = answer.json() if output == "json" else answer.text
with open(clip, "rb") as file:
    answer = session.post(f"{endpoint}/detect-language?encode=true", files={"audio_file": file})
found["language"] = answer.json()
wrong = session.post(f"{endpoint}/asr", params={"output": "docx"}, files={"audio_file": samples})
found["wrong"] = [wrong.status_code, wrong.json()["code"]]
print(json.dumps(found))
