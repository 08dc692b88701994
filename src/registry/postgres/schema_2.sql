-- Dedicated instances: made from no template, with a row of their own for what they are.

ALTER TABLE saas_instance ALTER COLUMN template_id DROP NOT NULL;

CREATE TABLE saas_dedicated (
    instance_id bigint PRIMARY KEY REFERENCES saas_instance (id) ON DELETE CASCADE,
    -- Its instance's; kept here so that ports are told apart by server.
    host_id bigint NOT NULL REFERENCES saas_server (id) ON DELETE RESTRICT,
    -- Whether its instance takes a place: a failed one keeps neither port nor domain. Kept by triggers.
    held boolean NOT NULL DEFAULT true,
    purpose text NOT NULL CHECK (purpose IN ('production', 'development')),
    label text COLLATE "C" NOT NULL CHECK (length(label) BETWEEN 1 AND 63),
    domain text COLLATE "C" NOT NULL CHECK (domain = lower(domain) AND length(domain) BETWEEN 3 AND 253),
    odoo_series bigint NOT NULL CHECK (odoo_series BETWEEN 8 AND 99),
    http_port bigint NOT NULL CHECK (http_port BETWEEN 1 AND 65535),
    gevent_port bigint NOT NULL CHECK (gevent_port BETWEEN 1 AND 65535 AND gevent_port <> http_port),
    unit text COLLATE "C" NOT NULL,
    os_user text COLLATE "C" NOT NULL CHECK (length(os_user) BETWEEN 1 AND 32),
    folder text COLLATE "C" NOT NULL,
    tls text NOT NULL CHECK (tls IN ('none', 'file', 'certbot', 'origin')),
    dns text NOT NULL CHECK (dns IN ('none', 'cloudflare')),
    mark text,
    dns_record text,
    certificate_end timestamptz
);
CREATE UNIQUE INDEX saas_dedicated_http_port ON saas_dedicated (host_id, http_port) WHERE held;
CREATE UNIQUE INDEX saas_dedicated_gevent_port ON saas_dedicated (host_id, gevent_port) WHERE held;
CREATE UNIQUE INDEX saas_dedicated_domain ON saas_dedicated (domain) WHERE held;
CREATE UNIQUE INDEX saas_dedicated_unit ON saas_dedicated (host_id, unit) WHERE held;
CREATE UNIQUE INDEX saas_dedicated_os_user ON saas_dedicated (host_id, os_user) WHERE held;
CREATE UNIQUE INDEX saas_dedicated_folder ON saas_dedicated (host_id, folder) WHERE held;

-- One number is one port, whatever it is for. The server's row is locked, so that two look one after the other.
CREATE FUNCTION saas_dedicated_port() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM saas_instance i WHERE i.id = NEW.instance_id AND i.server_id = NEW.host_id) THEN
        RAISE EXCEPTION 'vigie: its instance is elsewhere';
    END IF;
    IF NEW.held THEN
        PERFORM 1 FROM saas_server WHERE id = NEW.host_id FOR NO KEY UPDATE;
        IF EXISTS (SELECT FROM saas_dedicated d WHERE d.host_id = NEW.host_id AND d.held
                   AND d.instance_id <> NEW.instance_id
                   AND (d.http_port = NEW.gevent_port OR d.gevent_port = NEW.http_port)) THEN
            RAISE EXCEPTION 'vigie: port taken';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER saas_dedicated_port BEFORE INSERT OR UPDATE OF held, host_id, http_port, gevent_port ON saas_dedicated
    FOR EACH ROW EXECUTE FUNCTION saas_dedicated_port();

-- A failed instance gives its port and domain back, and asks for them when it is made again.
CREATE FUNCTION saas_dedicated_held() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE saas_dedicated SET held = NEW.state <> 'failed' WHERE instance_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER saas_dedicated_held AFTER UPDATE OF state ON saas_instance
    FOR EACH ROW WHEN ((OLD.state = 'failed') <> (NEW.state = 'failed')) EXECUTE FUNCTION saas_dedicated_held();

CREATE FUNCTION saas_dedicated_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO saas_change (entity, entity_id) SELECT 'instance', instance_id FROM changed;
    RETURN NULL;
END $$;
CREATE TRIGGER saas_dedicated_added AFTER INSERT ON saas_dedicated REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION saas_dedicated_changed();
CREATE TRIGGER saas_dedicated_changed AFTER UPDATE ON saas_dedicated REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION saas_dedicated_changed();

-- As of the other tables: what is changed by hand is written down.
CREATE FUNCTION saas_dedicated_by_hand() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    was jsonb := CASE WHEN TG_OP = 'INSERT' THEN '{}' ELSE to_jsonb(OLD) END;
    now jsonb := CASE WHEN TG_OP = 'DELETE' THEN '{}' ELSE to_jsonb(NEW) END;
    from_side jsonb;
    to_side jsonb;
BEGIN
    IF EXISTS (SELECT FROM saas_audit_head h WHERE h.id = 1 AND h.own_xid = pg_current_xact_id()) THEN
        RETURN NULL;
    END IF;
    SELECT jsonb_object_agg(o.key, o.value) INTO from_side
    FROM jsonb_each(was) o WHERE o.value IS DISTINCT FROM now -> o.key AND o.value <> 'null';
    SELECT jsonb_object_agg(n.key, n.value) INTO to_side
    FROM jsonb_each(now) n WHERE n.value IS DISTINCT FROM was -> n.key;
    INSERT INTO saas_audit (at, op_id, os_user, host, via, action, object, label, from_values, to_values)
    VALUES (
        clock_timestamp(), 'sql:' || pg_current_xact_id(), session_user,
        coalesce(host(inet_client_addr()), 'local'), 'sql', 'sql.' || lower(TG_OP),
        'dedicated:' || coalesce(now ->> 'instance_id', was ->> 'instance_id'),
        coalesce(now ->> 'domain', was ->> 'domain', ''), from_side::text::json, to_side::text::json
    );
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER saas_dedicated_by_hand AFTER INSERT OR UPDATE OR DELETE ON saas_dedicated
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION saas_dedicated_by_hand();

REVOKE EXECUTE ON FUNCTION saas_dedicated_port(), saas_dedicated_held(), saas_dedicated_changed(),
    saas_dedicated_by_hand() FROM PUBLIC;
