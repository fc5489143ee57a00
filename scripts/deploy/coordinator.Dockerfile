# The coordinator. Build from the root of a checkout:
#   docker build -f scripts/deploy/coordinator.Dockerfile -t morag-coordinator .
FROM node:24-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build && npm pack --silent --pack-destination /tmp

FROM node:24-bookworm-slim
# An init reaps what local processors leave behind and passes signals on.
RUN apt-get update \
  && apt-get install -y --no-install-recommends tini \
  && rm -rf /var/lib/apt/lists/*
# Without the optional parts: the coordinator runs no ffmpeg and no speech engine.
COPY --from=build /tmp/*.tgz /tmp/morag.tgz
RUN npm install --global --omit=optional --no-audit --no-fund /tmp/morag.tgz && rm /tmp/morag.tgz \
  && install -d -o node -g node -m 0750 /app/data/remote_jobs
USER node
VOLUME /app/data/remote_jobs
EXPOSE 8000
ENV MORAG_HOST=0.0.0.0 MORAG_LOG_FORMAT=json
# Asks over TLS where MORAG_TLS_CERT says so; nobody's certificate is for 127.0.0.1, so it is not looked at.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["morag-coordinator", "health"]
# SIGTERM: callers that wait are sent home, the journal is emptied, exit 0.
STOPSIGNAL SIGTERM
ENTRYPOINT ["tini", "--", "morag-coordinator"]
CMD ["serve"]
