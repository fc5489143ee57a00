/** What a unit is written for. */
export interface UnitOptions {
  /** The coordinator. */
  url: string
  types: readonly string[]
}

/**
 * A systemd unit (systemd.service(5), systemd.exec(5)) that runs the agent with as little as it can do with. The key is
 * a credential, so that it is in no unit file and no listing.
 */
export function systemdUnit({ url, types }: UnitOptions): string {
  return `# /etc/systemd/system/morag-agent.service, as morag-agent service print-unit --url ${url} writes it
#   npm install --global morag-remote-conversion
#   install -d -m 0700 /etc/morag && install -m 0600 key /etc/morag/key
#   systemctl enable --now morag-agent
[Unit]
Description=MoRAG remote conversion: agent
After=network-online.target
Wants=network-online.target

[Service]
Type=simple
DynamicUser=yes
StateDirectory=morag-agent
CacheDirectory=morag-agent
# The agent looks for it by that name.
LoadCredential=morag-api-key:/etc/morag/key
Environment=MORAG_API_BASE_URL=${url.replaceAll('%', '%%')}
Environment=MORAG_TEMP_DIR=%S/morag-agent/work MORAG_MODELS_DIR=%C/morag-agent/models MORAG_LOG_FORMAT=json
Environment=HOME=%S/morag-agent
ExecStart=/usr/bin/env morag-agent start --types ${types.join(',')}
# The first SIGTERM drains, and only the agent gets it: its engine finishes. At the end all are killed.
KillMode=mixed
TimeoutStopSec=1h
Restart=on-failure
RestartSec=5
# 2 wrong settings, 3 a key that is not taken, 10 to 12 a limit that was set: none mends by itself.
RestartPreventExitStatus=2 3 10 11 12

NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictSUIDSGID=yes
LockPersonality=yes
CapabilityBoundingSet=
UMask=0077
LimitNOFILE=65536
# No PrivateDevices, no MemoryDenyWriteExecute: GPUs are devices, and engines compile code as they run.

[Install]
WantedBy=multi-user.target
`
}
