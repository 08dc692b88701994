-- The audit of the shared registry: one row for every change and every refused attempt, only ever added to, each
-- chained to the one before it. The chain is computed here, not by the client: a hand-written one can neither
-- leave it out nor say that it was somebody else. Run by the owner behind the schema's tables.
--
-- Clients insert at, op_id, os_user, host, via, action, object, label, from_values, to_values and refused; nobody but
-- the owner needs more than that and SELECT. id, db_role and hash are set here, whatever a client says.

CREATE TABLE saas_audit (
    -- From 1 on, without gaps.
    id bigint PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    op_id text COLLATE "C" NOT NULL,
    -- Who it was for the database, whatever the client says of itself; none on rows of an embedded registry.
    db_role text,
    os_user text NOT NULL,
    host text NOT NULL,
    via text NOT NULL,
    action text COLLATE "C" NOT NULL,
    object text COLLATE "C" NOT NULL,
    label text NOT NULL,
    -- As it was written, letter by letter.
    from_values json,
    to_values json,
    refused text,
    hash text COLLATE "C" NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$')
);
CREATE INDEX saas_audit_by_object ON saas_audit (object, id);
CREATE INDEX saas_audit_by_time ON saas_audit (at);

-- The newest row's number and hash; and the transaction that last wrote a row of its own.
CREATE TABLE saas_audit_head (
    id bigint PRIMARY KEY CHECK (id = 1),
    last_id bigint NOT NULL,
    hash text COLLATE "C" NOT NULL,
    own_xid xid8
) WITH (fillfactor = 10);
INSERT INTO saas_audit_head VALUES (1, 0, '');

-- A field of the canonical form: its length in bytes, a colon, its text; a dash where there is none.
CREATE FUNCTION saas_audit_field(field text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN coalesce(octet_length(convert_to(field, 'UTF8')) || ':' || field, '-');

-- A row's hash behind the one before it: byte for byte what domain::audit::chain computes.
CREATE FUNCTION saas_audit_hash(previous text, r saas_audit) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, public, pg_temp
RETURN encode(sha256(convert_to(E'vigie audit 1\n'
    || saas_audit_field(previous)
    || saas_audit_field(r.id::text)
    || saas_audit_field((extract(epoch FROM r.at) * 1000000)::bigint::text)
    || saas_audit_field(r.op_id)
    || saas_audit_field(r.db_role)
    || saas_audit_field(r.os_user)
    || saas_audit_field(r.host)
    || saas_audit_field(r.via)
    || saas_audit_field(r.action)
    || saas_audit_field(r.object)
    || saas_audit_field(r.label)
    || saas_audit_field(r.from_values::text)
    || saas_audit_field(r.to_values::text)
    || saas_audit_field(r.refused), 'UTF8')), 'hex');

-- Whether the one who is connected may act as the owner of this table.
CREATE FUNCTION saas_is_owner(what oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT pg_has_role(session_user, c.relowner, 'MEMBER') FROM pg_class c WHERE c.oid = what;
END;

-- Gives a new row its place in the chain. The head is locked until the transaction ends, so rows are numbered in
-- the order of their commits. A row that comes with its hash is one that is moved here from another registry: the
-- owner's, and it must follow the one before it.
CREATE FUNCTION saas_audit_chain() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    head saas_audit_head;
    moved boolean := NEW.hash IS NOT NULL AND saas_is_owner(TG_RELID);
    computed text;
BEGIN
    SELECT * INTO STRICT head FROM saas_audit_head WHERE saas_audit_head.id = 1 FOR UPDATE;
    IF NOT moved THEN
        NEW.id := head.last_id + 1;
        NEW.db_role := session_user;
        NEW.at := coalesce(NEW.at, clock_timestamp());
    END IF;
    computed := saas_audit_hash(head.hash, NEW);
    IF moved AND (NEW.id IS DISTINCT FROM head.last_id + 1 OR NEW.hash <> computed) THEN
        RAISE EXCEPTION 'vigie: a row of the audit follows the one before it';
    END IF;
    NEW.hash := computed;
    UPDATE saas_audit_head
    SET last_id = NEW.id, hash = NEW.hash,
        own_xid = CASE WHEN NEW.via = 'sql' THEN own_xid ELSE pg_current_xact_id() END
    WHERE saas_audit_head.id = 1;
    RETURN NEW;
END $$;
CREATE TRIGGER saas_audit_chained BEFORE INSERT ON saas_audit
    FOR EACH ROW EXECUTE FUNCTION saas_audit_chain();

-- Grants keep everybody but the owner from it; this keeps the owner from doing it unawares.
CREATE FUNCTION saas_audit_kept() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'vigie: the audit is only ever added to';
END $$;
CREATE TRIGGER saas_audit_kept BEFORE UPDATE OR DELETE ON saas_audit
    FOR EACH ROW EXECUTE FUNCTION saas_audit_kept();
CREATE TRIGGER saas_audit_whole BEFORE TRUNCATE ON saas_audit
    FOR EACH STATEMENT EXECUTE FUNCTION saas_audit_kept();

-- What may be shown of a column: of a sealed value only the key's id, of a password that is no reference nothing.
CREATE FUNCTION saas_audit_shown(name text, value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE
    WHEN jsonb_typeof(value) <> 'string' THEN value
    WHEN value #>> '{}' LIKE 'sealed:%' THEN to_jsonb('sealed (' || split_part(value #>> '{}', ':', 2) || ')')
    WHEN name LIKE '%password%' AND value #>> '{}' !~ '^(env|file|command):' THEN to_jsonb('hidden'::text)
    ELSE value
END;

-- A hand-written client changes nothing unseen: a transaction that changed a row and wrote no audit row of its own
-- gets one for each, when it commits. Arguments: the column that names a row; then columns that are no operator's.
CREATE FUNCTION saas_audit_by_hand() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    was jsonb := CASE WHEN TG_OP = 'INSERT' THEN '{}' ELSE to_jsonb(OLD) END;
    now jsonb := CASE WHEN TG_OP = 'DELETE' THEN '{}' ELSE to_jsonb(NEW) END;
    quiet text[] := TG_ARGV[1:TG_NARGS - 1] || ARRAY['version'];
    from_side jsonb;
    to_side jsonb;
BEGIN
    IF EXISTS (SELECT FROM saas_audit_head h WHERE h.id = 1 AND h.own_xid = pg_current_xact_id()) THEN
        RETURN NULL;
    END IF;
    SELECT jsonb_object_agg(o.key, saas_audit_shown(o.key, o.value)) INTO from_side
    FROM jsonb_each(was) o
    WHERE o.key <> ALL (quiet) AND o.value IS DISTINCT FROM now -> o.key
        AND (TG_OP <> 'DELETE' OR o.value <> 'null');
    SELECT jsonb_object_agg(n.key, saas_audit_shown(n.key, n.value)) INTO to_side
    FROM jsonb_each(now) n
    WHERE n.key <> ALL (quiet) AND n.value IS DISTINCT FROM was -> n.key
        AND (TG_OP <> 'INSERT' OR n.value <> 'null');
    INSERT INTO saas_audit (at, op_id, os_user, host, via, action, object, label, from_values, to_values)
    VALUES (
        clock_timestamp(), 'sql:' || pg_current_xact_id(), session_user,
        coalesce(host(inet_client_addr()), 'local'), 'sql', 'sql.' || lower(TG_OP),
        substr(TG_TABLE_NAME, length('saas_') + 1) || ':' || coalesce(now ->> 'id', was ->> 'id'),
        coalesce(now ->> TG_ARGV[0], was ->> TG_ARGV[0], ''),
        from_side::text::json, to_side::text::json
    );
    RETURN NULL;
END $$;

-- What checks observe, counters and what follows from both are no operator's.
CREATE CONSTRAINT TRIGGER saas_server_by_hand AFTER INSERT OR DELETE ON saas_server
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION saas_audit_by_hand('code', 'observed', 'health_status', 'health_reason', 'health_hint',
        'health_failures', 'last_check_date', 'last_success_date', 'latency_ms', 'odoo_version', 'check_claimed_at',
        'instance_count', 'state', 'available_capacity');
CREATE CONSTRAINT TRIGGER saas_server_changed_by_hand AFTER UPDATE ON saas_server
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (to_jsonb(OLD) - '{version,observed,health_status,health_reason,health_hint,health_failures,last_check_date,last_success_date,latency_ms,odoo_version,check_claimed_at,instance_count,state,available_capacity}'::text[]
        IS DISTINCT FROM
        to_jsonb(NEW) - '{version,observed,health_status,health_reason,health_hint,health_failures,last_check_date,last_success_date,latency_ms,odoo_version,check_claimed_at,instance_count,state,available_capacity}'::text[])
    EXECUTE FUNCTION saas_audit_by_hand('code', 'observed', 'health_status', 'health_reason', 'health_hint',
        'health_failures', 'last_check_date', 'last_success_date', 'latency_ms', 'odoo_version', 'check_claimed_at',
        'instance_count', 'state', 'available_capacity');

CREATE CONSTRAINT TRIGGER saas_template_by_hand AFTER INSERT OR DELETE ON saas_template
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION saas_audit_by_hand('code', 'instance_count');
CREATE CONSTRAINT TRIGGER saas_template_changed_by_hand AFTER UPDATE ON saas_template
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (to_jsonb(OLD) - '{version,instance_count}'::text[] IS DISTINCT FROM to_jsonb(NEW) - '{version,instance_count}'::text[])
    EXECUTE FUNCTION saas_audit_by_hand('code', 'instance_count');

CREATE CONSTRAINT TRIGGER saas_instance_by_hand AFTER INSERT OR DELETE ON saas_instance
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION saas_audit_by_hand('name');
CREATE CONSTRAINT TRIGGER saas_instance_changed_by_hand AFTER UPDATE ON saas_instance
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (to_jsonb(OLD) - 'version' IS DISTINCT FROM to_jsonb(NEW) - 'version')
    EXECUTE FUNCTION saas_audit_by_hand('name');

CREATE CONSTRAINT TRIGGER saas_plan_by_hand AFTER INSERT OR UPDATE OR DELETE ON saas_plan
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION saas_audit_by_hand('code');
CREATE CONSTRAINT TRIGGER saas_customer_by_hand AFTER INSERT OR UPDATE OR DELETE ON saas_customer
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION saas_audit_by_hand('name');

-- Of a job: what it is and whether it is wanted, and its end; not its lease, its steps and that it began.
CREATE CONSTRAINT TRIGGER saas_job_by_hand AFTER INSERT OR DELETE ON saas_job
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION saas_audit_by_hand('title', 'worker', 'token', 'lease_until', 'log_end', 'reservations',
        'consequences', 'before');
CREATE CONSTRAINT TRIGGER saas_job_changed_by_hand AFTER UPDATE ON saas_job
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.kind, OLD.spec, OLD.title, OLD.server_id, OLD.template_id, OLD.instance_id, OLD.attempt,
           OLD.cancel_requested, OLD.asked_by, OLD.created_at, OLD.finished_at, OLD.result, OLD.reservations,
           OLD.consequences, OLD.before)
          IS DISTINCT FROM
          (NEW.kind, NEW.spec, NEW.title, NEW.server_id, NEW.template_id, NEW.instance_id, NEW.attempt,
           NEW.cancel_requested, NEW.asked_by, NEW.created_at, NEW.finished_at, NEW.result, NEW.reservations,
           NEW.consequences, NEW.before)
          OR NEW.state <> OLD.state AND NOT (OLD.state IN ('queued', 'running', 'undoing')
              AND NEW.state IN ('queued', 'running', 'undoing')))
    EXECUTE FUNCTION saas_audit_by_hand('title', 'worker', 'token', 'lease_until', 'log_end');

REVOKE EXECUTE ON FUNCTION saas_audit_field(text), saas_audit_hash(text, saas_audit), saas_is_owner(oid),
    saas_audit_chain(), saas_audit_kept(), saas_audit_shown(text, jsonb), saas_audit_by_hand() FROM PUBLIC;
