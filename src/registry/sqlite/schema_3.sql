-- The audit is chained: each row's hash is SHA-256 over the row before's hash and its own canonical
-- form (domain::audit::chain). The rows that are there are chained by the migration itself.

DROP TRIGGER saas_audit_kept;
DROP TRIGGER saas_audit_true;
-- The database's role, on a shared registry; kept when an audit is moved.
ALTER TABLE saas_audit ADD COLUMN db_role TEXT;
ALTER TABLE saas_audit ADD COLUMN hash TEXT NOT NULL DEFAULT '';
CREATE INDEX saas_audit_by_time ON saas_audit (at);

-- The newest row's number and hash.
CREATE TABLE saas_audit_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    last_id INTEGER NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO saas_audit_head VALUES (1, 0, '');
