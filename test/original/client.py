"""A client of the original system: creates a job for a file and follows it to its end. Standard library only."""

import json
import sys
import time
import urllib.request

SERVER_URL, PATH, CONTENT_TYPE = sys.argv[1:4]


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(SERVER_URL + path, data, headers, method=method)
    with urllib.request.urlopen(request) as response:
        return json.load(response)


job = call("POST", "/api/v1/remote-jobs/", {
    "source_file_path": PATH,
    "content_type": CONTENT_TYPE,
    "task_options": {"webhook_url": "http://example.com/webhook"},
    "ingestion_task_id": "task-123",
})
assert job["status"] == "pending", job

while True:
    status = call("GET", f"/api/v1/remote-jobs/{job['job_id']}/status")
    if status["status"] in ("completed", "failed", "timeout", "cancelled"):
        break
    time.sleep(0.2)

print(json.dumps(status))
