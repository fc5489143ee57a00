# The original's client example as its description has it; only the addresses come from outside, and the answer is shown.
import os
import requests
import json

os.chdir(os.environ['FOLDER'])
MORAG_SERVER = os.environ['MORAG_SERVER']
WEBHOOK = os.environ['WEBHOOK']

# Upload file with remote processing enabled
files = {'file': open('audio.mp3', 'rb')}
data = {
    'request_data': json.dumps({
        'mode': 'ingest',
        'source_type': 'file',
        'content_type': 'audio',
        'webhook_config': {
            'url': WEBHOOK
        },
        'metadata': {
            'remote': True  # Enable remote processing
        }
    })
}

response = requests.post(f'{MORAG_SERVER}/api/v1/process',
                        files=files, data=data)
print(response.text)
