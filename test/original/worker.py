"""A worker of the original system: the documented loop, until it has done as many jobs as it is told. Standard library only."""

import hashlib
import json
import sys
import time
import urllib.parse
import urllib.request

WORKER_ID = "audio-worker-1"
CONTENT_TYPES = ["audio"]
SERVER_URL = sys.argv[1]
JOBS = int(sys.argv[2])


def process_audio_file(content):
    if content.startswith(b"broken"):
        raise ValueError("cannot read this file")
    return "Processed transcript of " + hashlib.sha256(content).hexdigest()


def put(url, body):
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="PUT")
    with urllib.request.urlopen(request) as response:
        return json.load(response)


done = 0
while done < JOBS:
    # Poll for available jobs
    query = urllib.parse.urlencode({
        "worker_id": WORKER_ID,
        "content_types": ",".join(CONTENT_TYPES),
        "max_jobs": 1,
    })
    with urllib.request.urlopen(f"{SERVER_URL}/api/v1/remote-jobs/poll?{query}") as response:
        job_data = json.load(response)

    if job_data.get("job_id"):
        job_id = job_data["job_id"]
        result_url = f"{SERVER_URL}/api/v1/remote-jobs/{job_id}/result"
        try:
            # Download source file
            with urllib.request.urlopen(f"{SERVER_URL}{job_data['source_file_url']}") as file_response:
                content = file_response.read()

            # Process the file, submit the result
            answer = put(result_url, {
                "success": True,
                "content": process_audio_file(content),
                "metadata": {"duration": 120.5, "speakers": ["Speaker_00", "Speaker_01"]},
                "processing_time": 45.2,
            })
        except ValueError as error:
            # Submit the error
            answer = put(result_url, {"success": False, "error_message": str(error)})
        print(json.dumps({"job_id": job_id, **answer}), flush=True)
        done += 1
    else:
        time.sleep(0.2)
