# Coordinator. Build from the root of a checkout:
#   docker build -f scripts/deploy/coordinator.Dockerfile -t morag-coordinator .
FROM node:24-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build && npm pack --silent --pack-destination /tmp

FROM node:24-bookworm-slim
# tini reaps orphans of local processors and forwards signals.
RUN apt-get update \
  && apt-get install -y --no-install-recommends tini \
  && rm -rf /var/lib/apt/lists/*
# Without optional dependencies: the coordinator runs neither ffmpeg nor speech engines.
COPY --from=build /tmp/*.tgz /tmp/morag.tgz
RUN npm install --global --omit=optional --no-audit --no-fund /tmp/morag.tgz && rm /tmp/morag.tgz \
  && install -d -o node -g node -m 0750 /app/data/remote_jobs
USER node
VOLUME /app/data/remote_jobs
EXPOSE 8000
ENV MORAG_HOST=0.0.0.0 MORAG_LOG_FORMAT=json
# Works with HTTP and HTTPS. The certificate is not verified: none is issued for 127.0.0.1.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["morag-coordinator", "health"]
# SIGTERM ends waiting requests, writes the journal to the job files, and exits with 0.
STOPSIGNAL SIGTERM
ENTRYPOINT ["tini", "--", "morag-coordinator"]
CMD ["serve"]
