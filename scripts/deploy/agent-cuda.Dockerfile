# Agent for NVIDIA GPUs, with faster-whisper (whisper-ctranslate2) and ffmpeg. Build from the root of a checkout:
#   docker build -f scripts/deploy/agent-cuda.Dockerfile -t morag-agent-cuda .
# The host needs the NVIDIA driver and the NVIDIA Container Toolkit.
FROM node:24-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build && npm pack --silent --pack-destination /tmp

# ctranslate2's wheels are built for Debian's Python and glibc. cuBLAS and cuDNN are wheels too.
FROM node:24-bookworm-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends ffmpeg python3 python3-venv bubblewrap tini \
  && rm -rf /var/lib/apt/lists/* \
  && python3 -m venv /opt/whisper \
  && /opt/whisper/bin/pip install --no-cache-dir whisper-ctranslate2 nvidia-cublas-cu12 nvidia-cudnn-cu12
COPY --from=build /tmp/*.tgz /tmp/morag.tgz
# With optional dependencies: sherpa-onnx is the VAD. ffmpeg is Debian's package, for its security updates.
RUN npm install --global --no-audit --no-fund /tmp/morag.tgz && rm /tmp/morag.tgz \
  && install -d -o node -g node -m 0750 /work /models
ENV PATH=/opt/whisper/bin:$PATH \
  LD_LIBRARY_PATH=/opt/whisper/lib/python3.11/site-packages/nvidia/cublas/lib:/opt/whisper/lib/python3.11/site-packages/nvidia/cudnn/lib \
  NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility \
  MORAG_ENGINE=faster-whisper MORAG_TEMP_DIR=/work MORAG_MODELS_DIR=/models
USER node
VOLUME ["/work", "/models"]
# The first SIGTERM drains: running jobs are finished. Allow enough time (docker stop --time, stop_grace_period).
STOPSIGNAL SIGTERM
ENTRYPOINT ["tini", "--", "morag-agent"]
CMD ["start"]
