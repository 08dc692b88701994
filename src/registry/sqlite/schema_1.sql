-- The registry's first schema. Times are text in UTC with nine decimals, so that they sort and SQLite's
-- own date functions read them. Secrets are references (env:, file:, command:) or sealed, never in the clear.

CREATE TABLE saas_server (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    version INTEGER NOT NULL DEFAULT 1,
    name TEXT NOT NULL CHECK (trim(name) <> ''),
    code TEXT NOT NULL UNIQUE CHECK (code = lower(code) AND length(code) BETWEEN 1 AND 32),
    description TEXT NOT NULL DEFAULT '',
    server_url TEXT NOT NULL UNIQUE CHECK (server_url GLOB 'http://?*' OR server_url GLOB 'https://?*'),
    server_ip TEXT,
    port INTEGER CHECK (port BETWEEN 1 AND 65535),
    ssh_host TEXT,
    ssh_user TEXT,
    ssh_port INTEGER CHECK (ssh_port BETWEEN 1 AND 65535),
    ssh_identity TEXT,
    db_host TEXT,
    db_port INTEGER NOT NULL DEFAULT 5432 CHECK (db_port BETWEEN 1 AND 65535),
    db_user TEXT,
    db_password TEXT CHECK (db_password GLOB 'env:?*' OR db_password GLOB 'file:?*'
        OR db_password GLOB 'command:?*' OR db_password GLOB 'sealed:?*:?*'),
    db_tls TEXT NOT NULL DEFAULT 'disable' CHECK (db_tls IN ('disable', 'verify-full')),
    master_password TEXT CHECK (master_password GLOB 'env:?*' OR master_password GLOB 'file:?*'
        OR master_password GLOB 'command:?*' OR master_password GLOB 'sealed:?*:?*'),
    data_dir TEXT,
    max_instances INTEGER NOT NULL CHECK (max_instances > 0),
    cpu_cores INTEGER CHECK (cpu_cores >= 0),
    memory_gb INTEGER CHECK (memory_gb >= 0),
    disk_gb INTEGER CHECK (disk_gb >= 0),
    -- What the operator intends. Checks never write it.
    intent TEXT NOT NULL DEFAULT 'draft' CHECK (intent IN ('draft', 'active', 'maintenance', 'disabled')),
    -- What checks observed, down to odoo_version. Operators never write it.
    observed TEXT NOT NULL DEFAULT 'never_seen' CHECK (observed IN ('never_seen', 'online', 'offline')),
    health_status TEXT NOT NULL DEFAULT 'unknown' CHECK (health_status IN ('unknown', 'healthy', 'warning', 'critical')),
    health_reason TEXT NOT NULL DEFAULT 'never checked' CHECK (health_reason <> ''),
    health_hint TEXT DEFAULT 'check it (r)',
    health_failures INTEGER NOT NULL DEFAULT 0 CHECK (health_failures >= 0),
    last_check_date TEXT,
    last_success_date TEXT,
    latency_ms INTEGER,
    odoo_version TEXT,
    check_claimed_at TEXT,
    created_at TEXT NOT NULL,
    -- Kept by triggers on saas_instance.
    instance_count INTEGER NOT NULL DEFAULT 0 CHECK (instance_count >= 0),
    state TEXT NOT NULL GENERATED ALWAYS AS
        (CASE WHEN intent = 'active' AND observed = 'offline' THEN 'offline' ELSE intent END) VIRTUAL,
    available_capacity REAL GENERATED ALWAYS AS
        (max(0, max_instances - instance_count) * 100.0 / max_instances) VIRTUAL
);

CREATE TABLE saas_template (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    version INTEGER NOT NULL DEFAULT 1,
    name TEXT NOT NULL CHECK (trim(name) <> ''),
    code TEXT NOT NULL UNIQUE CHECK (code = lower(code) AND length(code) BETWEEN 1 AND 32),
    server_id INTEGER NOT NULL REFERENCES saas_server (id) ON DELETE RESTRICT,
    template_database TEXT NOT NULL CHECK (length(CAST(template_database AS BLOB)) BETWEEN 2 AND 63),
    base_modules TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(base_modules)),
    language TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'creating', 'ready', 'failed')),
    database_oid INTEGER,
    size_bytes INTEGER,
    admin_login TEXT,
    admin_password TEXT CHECK (admin_password GLOB 'env:?*' OR admin_password GLOB 'file:?*'
        OR admin_password GLOB 'command:?*' OR admin_password GLOB 'sealed:?*:?*'),
    odoo_version TEXT,
    frozen INTEGER NOT NULL DEFAULT 0 CHECK (frozen IN (0, 1)),
    instance_count INTEGER NOT NULL DEFAULT 0 CHECK (instance_count >= 0),
    created_at TEXT NOT NULL,
    UNIQUE (server_id, template_database)
);

CREATE TABLE saas_plan (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    code TEXT NOT NULL UNIQUE CHECK (code <> ''),
    name TEXT NOT NULL,
    max_users INTEGER CHECK (max_users >= 0),
    max_storage_gb INTEGER CHECK (max_storage_gb >= 0)
);

CREATE TABLE saas_customer (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE CHECK (trim(name) <> ''),
    email TEXT
);

CREATE TABLE saas_instance (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    version INTEGER NOT NULL DEFAULT 1,
    name TEXT NOT NULL CHECK (trim(name) <> ''),
    customer_id INTEGER REFERENCES saas_customer (id) ON DELETE RESTRICT,
    plan_id INTEGER REFERENCES saas_plan (id) ON DELETE RESTRICT,
    template_id INTEGER NOT NULL REFERENCES saas_template (id) ON DELETE RESTRICT,
    server_id INTEGER NOT NULL REFERENCES saas_server (id) ON DELETE RESTRICT,
    database_name TEXT NOT NULL CHECK (length(CAST(database_name AS BLOB)) BETWEEN 2 AND 63),
    subdomain TEXT NOT NULL CHECK (subdomain = lower(subdomain) AND length(subdomain) BETWEEN 1 AND 63),
    url TEXT NOT NULL,
    admin_login TEXT NOT NULL,
    admin_password TEXT NOT NULL CHECK (admin_password GLOB 'env:?*' OR admin_password GLOB 'file:?*'
        OR admin_password GLOB 'command:?*' OR admin_password GLOB 'sealed:?*:?*'),
    state TEXT NOT NULL CHECK (state IN ('draft', 'provisioning', 'active', 'suspended', 'failed', 'deleting')),
    database_oid INTEGER,
    database_uuid TEXT,
    size_bytes INTEGER,
    created_at TEXT NOT NULL
);
-- A failed instance holds no place and keeps no name.
CREATE UNIQUE INDEX saas_instance_database_name ON saas_instance (server_id, database_name) WHERE state <> 'failed';
CREATE UNIQUE INDEX saas_instance_subdomain ON saas_instance (subdomain) WHERE state <> 'failed';
CREATE INDEX saas_instance_by_server ON saas_instance (server_id, name);
CREATE INDEX saas_instance_by_template ON saas_instance (template_id);
CREATE INDEX saas_instance_by_name ON saas_instance (name);
CREATE INDEX saas_instance_by_subdomain ON saas_instance (subdomain);
CREATE INDEX saas_instance_by_database ON saas_instance (database_name);

CREATE TABLE saas_health_check (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    server_id INTEGER NOT NULL REFERENCES saas_server (id) ON DELETE CASCADE,
    check_date TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('unknown', 'healthy', 'warning', 'critical')),
    reason TEXT NOT NULL,
    latency_ms INTEGER NOT NULL,
    answered INTEGER NOT NULL CHECK (answered IN (0, 1)),
    report TEXT NOT NULL CHECK (json_valid(report))
);
CREATE INDEX saas_health_check_by_server ON saas_health_check (server_id, check_date, id);
CREATE INDEX saas_health_check_by_date ON saas_health_check (check_date);

CREATE TABLE saas_job (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    spec TEXT NOT NULL CHECK (json_valid(spec)),
    title TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'running', 'undoing', 'done', 'failed', 'cancelled', 'stuck')),
    server_id INTEGER NOT NULL,
    template_id INTEGER,
    instance_id INTEGER,
    -- The lease: on one host, so time since boot, with the boot it counts from.
    worker TEXT,
    token INTEGER NOT NULL DEFAULT 0,
    lease_boot TEXT,
    lease_until_ms INTEGER,
    attempt INTEGER NOT NULL DEFAULT 1,
    cancel_requested INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),
    asked_by TEXT NOT NULL,
    created_at TEXT NOT NULL,
    started_at TEXT,
    finished_at TEXT,
    result TEXT CHECK (json_valid(result)),
    problem TEXT CHECK (json_valid(problem)),
    -- What a retry needs again, and what a cancel before the first step gives back.
    reservations TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(reservations)),
    consequences TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(consequences)),
    before TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(before)),
    log_end INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX saas_job_by_instance ON saas_job (instance_id, id) WHERE instance_id IS NOT NULL;
CREATE INDEX saas_job_by_server ON saas_job (server_id, id);
CREATE INDEX saas_job_by_template ON saas_job (template_id, id) WHERE template_id IS NOT NULL;
CREATE INDEX saas_job_by_state ON saas_job (state, id);

CREATE TABLE saas_job_step (
    job_id INTEGER NOT NULL REFERENCES saas_job (id) ON DELETE CASCADE,
    step INTEGER NOT NULL CHECK (step >= 0),
    name TEXT NOT NULL,
    title TEXT NOT NULL,
    detail TEXT NOT NULL DEFAULT '',
    pivot INTEGER NOT NULL DEFAULT 0 CHECK (pivot IN (0, 1)),
    state TEXT NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'intended', 'done', 'failed', 'undoing', 'undone', 'undo_failed')),
    data TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(data)),
    started_at TEXT,
    finished_at TEXT,
    problem TEXT CHECK (json_valid(problem)),
    PRIMARY KEY (job_id, step)
) WITHOUT ROWID;

CREATE TABLE saas_job_log (
    job_id INTEGER NOT NULL REFERENCES saas_job (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL CHECK (seq > 0),
    at TEXT NOT NULL,
    step INTEGER,
    stream TEXT NOT NULL CHECK (stream IN ('engine', 'step', 'stdout', 'stderr', 'progress')),
    level TEXT NOT NULL CHECK (level IN ('info', 'begin', 'success', 'warning', 'error')),
    text TEXT NOT NULL,
    took_ms INTEGER,
    progress_done INTEGER,
    progress_total INTEGER,
    PRIMARY KEY (job_id, seq)
) WITHOUT ROWID;

CREATE TABLE saas_reservation (
    key TEXT NOT NULL,
    job_id INTEGER NOT NULL REFERENCES saas_job (id) ON DELETE CASCADE,
    label TEXT NOT NULL,
    exclusive INTEGER NOT NULL CHECK (exclusive IN (0, 1)),
    PRIMARY KEY (key, job_id)
) WITHOUT ROWID;
CREATE INDEX saas_reservation_by_job ON saas_reservation (job_id);
CREATE TRIGGER saas_reservation_alone BEFORE INSERT ON saas_reservation
WHEN EXISTS (SELECT 1 FROM saas_reservation WHERE key = NEW.key AND job_id <> NEW.job_id AND (exclusive OR NEW.exclusive))
BEGIN
    SELECT RAISE(ABORT, 'vigie: reserved');
END;

CREATE TABLE saas_worker (
    id TEXT PRIMARY KEY,
    boot TEXT NOT NULL,
    started_at TEXT NOT NULL,
    seen_at TEXT NOT NULL
) WITHOUT ROWID;

-- Who did what, when; only ever added to.
CREATE TABLE saas_audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    op_id TEXT NOT NULL,
    os_user TEXT NOT NULL,
    host TEXT NOT NULL,
    via TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    label TEXT NOT NULL,
    from_values TEXT CHECK (json_valid(from_values)),
    to_values TEXT CHECK (json_valid(to_values)),
    refused TEXT
);
CREATE INDEX saas_audit_by_object ON saas_audit (object, id);
CREATE TRIGGER saas_audit_kept BEFORE DELETE ON saas_audit BEGIN SELECT RAISE(ABORT, 'vigie: the audit is only ever added to'); END;
CREATE TRIGGER saas_audit_true BEFORE UPDATE ON saas_audit BEGIN SELECT RAISE(ABORT, 'vigie: the audit is only ever added to'); END;

-- Operations that were applied, so that a retry of one is recognised.
CREATE TABLE saas_operation (
    op_id TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    outcome INTEGER NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (op_id, action, subject)
) WITHOUT ROWID;
CREATE INDEX saas_operation_by_date ON saas_operation (at);

-- What changed, for those who follow; written by triggers, so that nobody can forget it, and trimmed.
CREATE TABLE saas_change (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    entity TEXT NOT NULL,
    entity_id INTEGER NOT NULL DEFAULT 0
);
CREATE TRIGGER saas_change_trim AFTER INSERT ON saas_change WHEN NEW.seq % 1024 = 0
BEGIN
    DELETE FROM saas_change WHERE seq <= NEW.seq - 16384;
END;

-- Places and names.
CREATE TRIGGER saas_instance_place BEFORE INSERT ON saas_instance WHEN NEW.state <> 'failed'
BEGIN
    SELECT RAISE(ABORT, 'vigie: no place')
    FROM saas_server WHERE id = NEW.server_id AND instance_count >= max_instances;
    SELECT RAISE(ABORT, 'vigie: database taken')
    FROM saas_template WHERE server_id = NEW.server_id AND template_database = NEW.database_name;
    SELECT RAISE(ABORT, 'vigie: template elsewhere')
    FROM saas_template WHERE id = NEW.template_id AND server_id <> NEW.server_id;
END;
CREATE TRIGGER saas_instance_place_again BEFORE UPDATE OF state ON saas_instance
WHEN OLD.state = 'failed' AND NEW.state <> 'failed'
BEGIN
    SELECT RAISE(ABORT, 'vigie: no place')
    FROM saas_server WHERE id = NEW.server_id AND instance_count >= max_instances;
    SELECT RAISE(ABORT, 'vigie: database taken')
    FROM saas_template WHERE server_id = NEW.server_id AND template_database = NEW.database_name;
END;
CREATE TRIGGER saas_template_database_free BEFORE INSERT ON saas_template
BEGIN
    SELECT RAISE(ABORT, 'vigie: template database taken')
    FROM saas_instance WHERE server_id = NEW.server_id AND database_name = NEW.template_database AND state <> 'failed';
END;
CREATE TRIGGER saas_template_database_free_again BEFORE UPDATE OF server_id, template_database ON saas_template
BEGIN
    SELECT RAISE(ABORT, 'vigie: template database taken')
    FROM saas_instance WHERE server_id = NEW.server_id AND database_name = NEW.template_database AND state <> 'failed';
END;

CREATE TRIGGER saas_instance_added AFTER INSERT ON saas_instance
BEGIN
    UPDATE saas_server SET instance_count = instance_count + 1 WHERE id = NEW.server_id AND NEW.state <> 'failed';
    UPDATE saas_template SET instance_count = instance_count + 1 WHERE id = NEW.template_id AND NEW.state <> 'failed';
    INSERT INTO saas_change (entity, entity_id) VALUES ('instance', NEW.id);
END;
CREATE TRIGGER saas_instance_removed AFTER DELETE ON saas_instance
BEGIN
    UPDATE saas_server SET instance_count = instance_count - 1 WHERE id = OLD.server_id AND OLD.state <> 'failed';
    UPDATE saas_template SET instance_count = instance_count - 1 WHERE id = OLD.template_id AND OLD.state <> 'failed';
    INSERT INTO saas_change (entity, entity_id) VALUES ('instance', OLD.id);
END;
CREATE TRIGGER saas_instance_moved AFTER UPDATE OF state, server_id, template_id ON saas_instance
WHEN (OLD.state = 'failed') <> (NEW.state = 'failed') OR OLD.server_id <> NEW.server_id OR OLD.template_id <> NEW.template_id
BEGIN
    UPDATE saas_server SET instance_count = instance_count - 1 WHERE id = OLD.server_id AND OLD.state <> 'failed';
    UPDATE saas_server SET instance_count = instance_count + 1 WHERE id = NEW.server_id AND NEW.state <> 'failed';
    UPDATE saas_template SET instance_count = instance_count - 1 WHERE id = OLD.template_id AND OLD.state <> 'failed';
    UPDATE saas_template SET instance_count = instance_count + 1 WHERE id = NEW.template_id AND NEW.state <> 'failed';
END;
CREATE TRIGGER saas_instance_changed AFTER UPDATE ON saas_instance
BEGIN
    INSERT INTO saas_change (entity, entity_id) VALUES ('instance', NEW.id);
END;

CREATE TRIGGER saas_server_added AFTER INSERT ON saas_server
BEGIN INSERT INTO saas_change (entity, entity_id) VALUES ('server', NEW.id); END;
CREATE TRIGGER saas_server_removed AFTER DELETE ON saas_server
BEGIN INSERT INTO saas_change (entity, entity_id) VALUES ('server', OLD.id); END;
CREATE TRIGGER saas_server_changed AFTER UPDATE ON saas_server WHEN NEW.check_claimed_at IS OLD.check_claimed_at
BEGIN INSERT INTO saas_change (entity, entity_id) VALUES ('server', NEW.id); END;

CREATE TRIGGER saas_template_added AFTER INSERT ON saas_template
BEGIN INSERT INTO saas_change (entity, entity_id) VALUES ('template', NEW.id); END;
CREATE TRIGGER saas_template_removed AFTER DELETE ON saas_template
BEGIN INSERT INTO saas_change (entity, entity_id) VALUES ('template', OLD.id); END;
CREATE TRIGGER saas_template_changed AFTER UPDATE ON saas_template
BEGIN INSERT INTO saas_change (entity, entity_id) VALUES ('template', NEW.id); END;

CREATE TRIGGER saas_plan_added AFTER INSERT ON saas_plan BEGIN INSERT INTO saas_change (entity) VALUES ('catalog'); END;
CREATE TRIGGER saas_plan_changed AFTER UPDATE ON saas_plan BEGIN INSERT INTO saas_change (entity) VALUES ('catalog'); END;
CREATE TRIGGER saas_plan_removed AFTER DELETE ON saas_plan BEGIN INSERT INTO saas_change (entity) VALUES ('catalog'); END;
CREATE TRIGGER saas_customer_added AFTER INSERT ON saas_customer BEGIN INSERT INTO saas_change (entity) VALUES ('catalog'); END;
CREATE TRIGGER saas_customer_changed AFTER UPDATE ON saas_customer BEGIN INSERT INTO saas_change (entity) VALUES ('catalog'); END;
CREATE TRIGGER saas_customer_removed AFTER DELETE ON saas_customer BEGIN INSERT INTO saas_change (entity) VALUES ('catalog'); END;

-- A renewed lease and a log's end are no change of the job.
CREATE TRIGGER saas_job_added AFTER INSERT ON saas_job
BEGIN INSERT INTO saas_change (entity, entity_id) VALUES ('job', NEW.id); END;
CREATE TRIGGER saas_job_removed AFTER DELETE ON saas_job
BEGIN INSERT INTO saas_change (entity, entity_id) VALUES ('job', OLD.id); END;
CREATE TRIGGER saas_job_changed
AFTER UPDATE OF state, worker, token, attempt, cancel_requested, result, problem, spec, title, finished_at ON saas_job
BEGIN INSERT INTO saas_change (entity, entity_id) VALUES ('job', NEW.id); END;
CREATE TRIGGER saas_job_logged AFTER UPDATE OF log_end ON saas_job WHEN NEW.log_end <> OLD.log_end
BEGIN INSERT INTO saas_change (entity, entity_id) VALUES ('job_log', NEW.id); END;
CREATE TRIGGER saas_job_step_changed AFTER UPDATE ON saas_job_step
BEGIN INSERT INTO saas_change (entity, entity_id) VALUES ('job', NEW.job_id); END;

CREATE TRIGGER saas_worker_came AFTER INSERT ON saas_worker BEGIN INSERT INTO saas_change (entity) VALUES ('worker'); END;
CREATE TRIGGER saas_worker_went AFTER DELETE ON saas_worker BEGIN INSERT INTO saas_change (entity) VALUES ('worker'); END;
