-- Dedicated instances: made from no template, with a row of their own for what they are. SQLite can't
-- let go of NOT NULL: the table is made anew, with everything that hangs on it.

PRAGMA defer_foreign_keys = 1;
DROP TRIGGER saas_instance_place;
DROP TRIGGER saas_instance_place_again;
DROP TRIGGER saas_instance_added;
DROP TRIGGER saas_instance_removed;
DROP TRIGGER saas_instance_moved;
DROP TRIGGER saas_instance_changed;
DROP TRIGGER saas_template_database_free;
DROP TRIGGER saas_template_database_free_again;

CREATE TABLE saas_instance_new (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    version INTEGER NOT NULL DEFAULT 1,
    name TEXT NOT NULL CHECK (trim(name) <> ''),
    customer_id INTEGER REFERENCES saas_customer (id) ON DELETE RESTRICT,
    plan_id INTEGER REFERENCES saas_plan (id) ON DELETE RESTRICT,
    template_id INTEGER REFERENCES saas_template (id) ON DELETE RESTRICT,
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
INSERT INTO saas_instance_new (id, version, name, customer_id, plan_id, template_id, server_id, database_name, subdomain,
        url, admin_login, admin_password, state, database_oid, database_uuid, size_bytes, created_at)
    SELECT id, version, name, customer_id, plan_id, template_id, server_id, database_name, subdomain,
        url, admin_login, admin_password, state, database_oid, database_uuid, size_bytes, created_at
    FROM saas_instance;
-- A number is never given out twice, also not those of instances that are gone.
UPDATE sqlite_sequence SET seq = (SELECT seq FROM sqlite_sequence WHERE name = 'saas_instance')
    WHERE name = 'saas_instance_new' AND EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'saas_instance');
INSERT INTO sqlite_sequence (name, seq)
    SELECT 'saas_instance_new', seq FROM sqlite_sequence
    WHERE name = 'saas_instance' AND NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'saas_instance_new');
DROP TABLE saas_instance;
ALTER TABLE saas_instance_new RENAME TO saas_instance;

-- A failed instance holds no place and keeps no name.
CREATE UNIQUE INDEX saas_instance_database_name ON saas_instance (server_id, database_name) WHERE state <> 'failed';
CREATE UNIQUE INDEX saas_instance_subdomain ON saas_instance (subdomain) WHERE state <> 'failed';
CREATE INDEX saas_instance_by_server ON saas_instance (server_id, name);
CREATE INDEX saas_instance_by_template ON saas_instance (template_id);
CREATE INDEX saas_instance_by_name ON saas_instance (name);
CREATE INDEX saas_instance_by_subdomain ON saas_instance (subdomain);
CREATE INDEX saas_instance_by_database ON saas_instance (database_name);

CREATE TABLE saas_dedicated (
    instance_id INTEGER PRIMARY KEY REFERENCES saas_instance (id) ON DELETE CASCADE,
    -- Its instance's; kept here so that ports are told apart by server.
    host_id INTEGER NOT NULL REFERENCES saas_server (id) ON DELETE RESTRICT,
    -- Whether its instance takes a place: a failed one keeps neither port nor domain. Kept by triggers.
    held INTEGER NOT NULL DEFAULT 1 CHECK (held IN (0, 1)),
    purpose TEXT NOT NULL CHECK (purpose IN ('production', 'development')),
    label TEXT NOT NULL CHECK (length(label) BETWEEN 1 AND 63),
    domain TEXT NOT NULL CHECK (domain = lower(domain) AND length(domain) BETWEEN 3 AND 253),
    odoo_series INTEGER NOT NULL CHECK (odoo_series BETWEEN 8 AND 99),
    http_port INTEGER NOT NULL CHECK (http_port BETWEEN 1 AND 65535),
    gevent_port INTEGER NOT NULL CHECK (gevent_port BETWEEN 1 AND 65535 AND gevent_port <> http_port),
    unit TEXT NOT NULL,
    os_user TEXT NOT NULL CHECK (length(os_user) BETWEEN 1 AND 32),
    folder TEXT NOT NULL,
    tls TEXT NOT NULL CHECK (tls IN ('none', 'file', 'certbot', 'origin')),
    dns TEXT NOT NULL CHECK (dns IN ('none', 'cloudflare')),
    mark TEXT,
    dns_record TEXT,
    certificate_end TEXT
);
CREATE UNIQUE INDEX saas_dedicated_http_port ON saas_dedicated (host_id, http_port) WHERE held = 1;
CREATE UNIQUE INDEX saas_dedicated_gevent_port ON saas_dedicated (host_id, gevent_port) WHERE held = 1;
CREATE UNIQUE INDEX saas_dedicated_domain ON saas_dedicated (domain) WHERE held = 1;
CREATE UNIQUE INDEX saas_dedicated_unit ON saas_dedicated (host_id, unit) WHERE held = 1;
CREATE UNIQUE INDEX saas_dedicated_os_user ON saas_dedicated (host_id, os_user) WHERE held = 1;
CREATE UNIQUE INDEX saas_dedicated_folder ON saas_dedicated (host_id, folder) WHERE held = 1;

-- One number is one port, whatever it is for.
CREATE TRIGGER saas_dedicated_port BEFORE INSERT ON saas_dedicated WHEN NEW.held = 1
BEGIN
    SELECT RAISE(ABORT, 'vigie: port taken') FROM saas_dedicated
    WHERE host_id = NEW.host_id AND held = 1 AND (http_port = NEW.gevent_port OR gevent_port = NEW.http_port);
END;
CREATE TRIGGER saas_dedicated_port_again BEFORE UPDATE OF held ON saas_dedicated WHEN NEW.held = 1 AND OLD.held = 0
BEGIN
    SELECT RAISE(ABORT, 'vigie: port taken') FROM saas_dedicated
    WHERE host_id = NEW.host_id AND held = 1 AND (http_port = NEW.gevent_port OR gevent_port = NEW.http_port);
END;
CREATE TRIGGER saas_dedicated_held AFTER UPDATE OF state ON saas_instance
WHEN (OLD.state = 'failed') <> (NEW.state = 'failed')
BEGIN
    UPDATE saas_dedicated SET held = (NEW.state <> 'failed') WHERE instance_id = NEW.id;
END;
CREATE TRIGGER saas_dedicated_added AFTER INSERT ON saas_dedicated
BEGIN INSERT INTO saas_change (entity, entity_id) VALUES ('instance', NEW.instance_id); END;
CREATE TRIGGER saas_dedicated_changed AFTER UPDATE ON saas_dedicated
BEGIN INSERT INTO saas_change (entity, entity_id) VALUES ('instance', NEW.instance_id); END;

-- Places and names, as they were.
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
WHEN (OLD.state = 'failed') <> (NEW.state = 'failed') OR OLD.server_id <> NEW.server_id OR OLD.template_id IS NOT NEW.template_id
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
