"""How our server is set up: its settings, and who gets in."""

import os

HOST = "127.0.0.1"

SETTINGS = {
    "listen_addresses": f"'{HOST}'",
    # No Unix socket: its path would have to be short, and loopback with a password is enough for everyone.
    "unix_socket_directories": "''",
    "password_encryption": "scram-sha-256",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "128MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    "jit": "off",
    # Parallel workers share memory through /dev/shm, which is 64 MB in a default container.
    "max_parallel_workers_per_gather": "0",
    # No replicas: a table filled in the transaction that made it needs no write-ahead log.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    # Error texts quote values and rows, which may be a phone or an e-mail: keep start, stop and crashes only.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}

HBA = """# Written at each start. Everyone gives a password; nobody is trusted for being on this machine.
local all all scram-sha-256
host  all all 127.0.0.1/32 scram-sha-256
host  all all ::1/128 scram-sha-256
"""


def fsync_off() -> bool:
    """``FUNNEL_POSTGRES_FSYNC=off`` makes throw-away servers (tests) faster; a power cut may cost data."""
    return os.environ.get("FUNNEL_POSTGRES_FSYNC", "").lower() == "off"
