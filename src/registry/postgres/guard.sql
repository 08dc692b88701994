-- What grants on columns can't say: which rows, and from which state to which, for whom. A hand-written client
-- can do no more than the dashboard: a manager asks (queues, cancels, runs again) and never does a worker's part
-- (claims, ends, records results); a worker never does a manager's.
--
-- These run as whoever runs the statement: its rights count, those of a role it has SET too. The owner, and what
-- runs as the owner (the counters), is never in question. Run again at every start of the owner's: idempotent.

-- Jobs: new ones wait, untouched (the columns that may be given are in the grants).
CREATE OR REPLACE FUNCTION saas_job_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    is_over CONSTANT text[] := '{done,failed,cancelled,stuck}';
BEGIN
    IF pg_has_role(current_user, 'saas_owner', 'USAGE') THEN
        RETURN NEW;
    END IF;
    IF pg_has_role(current_user, 'saas_worker', 'USAGE')
        AND NEW.attempt = OLD.attempt AND NEW.cancel_requested = OLD.cancel_requested AND NEW.token >= OLD.token
        -- A line that comes late is written still; nothing else of a job that is over changes.
        AND (NOT OLD.state = ANY (is_over) OR (NEW.state, NEW.worker, NEW.token, NEW.lease_until, NEW.result, NEW.problem)
            IS NOT DISTINCT FROM (OLD.state, OLD.worker, OLD.token, OLD.lease_until, OLD.result, OLD.problem))
    THEN
        RETURN NEW;
    END IF;
    IF pg_has_role(current_user, 'saas_manager', 'USAGE') AND NEW.token = OLD.token AND NEW.log_end = OLD.log_end THEN
        -- Cancelled: asked to stop; one that nobody has touched ends at once.
        IF NOT OLD.state = ANY (is_over) AND NEW.cancel_requested AND NEW.attempt = OLD.attempt
            AND (NEW.result, NEW.problem, NEW.started_at, NEW.lease_until, NEW.before)
                IS NOT DISTINCT FROM (OLD.result, OLD.problem, OLD.started_at, OLD.lease_until, OLD.before)
            AND ((NEW.state, NEW.worker, NEW.finished_at) IS NOT DISTINCT FROM (OLD.state, OLD.worker, OLD.finished_at)
                OR OLD.state = 'queued' AND NEW.state = 'cancelled' AND NEW.worker IS NULL
                    AND NOT EXISTS (SELECT FROM saas_job_step s WHERE s.job_id = NEW.id AND s.state <> 'pending'))
        THEN
            RETURN NEW;
        END IF;
        -- Run again: by whoever claims it then.
        IF OLD.state IN ('failed', 'cancelled', 'stuck') AND NEW.state IN ('queued', 'undoing')
            AND NEW.attempt = OLD.attempt + 1 AND NEW.worker IS NULL AND NEW.lease_until IS NULL
            AND NEW.finished_at IS NULL
            AND (NEW.result IS NULL OR NEW.result IS NOT DISTINCT FROM OLD.result)
            AND (NEW.problem IS NULL OR NEW.problem IS NOT DISTINCT FROM OLD.problem)
        THEN
            RETURN NEW;
        END IF;
    END IF;
    -- Its secrets sealed anew, and nothing else of it.
    IF pg_has_role(current_user, 'saas_admin', 'USAGE')
        AND (NEW.state, NEW.worker, NEW.token, NEW.lease_until, NEW.attempt, NEW.cancel_requested, NEW.problem, NEW.log_end)
            IS NOT DISTINCT FROM
            (OLD.state, OLD.worker, OLD.token, OLD.lease_until, OLD.attempt, OLD.cancel_requested, OLD.problem, OLD.log_end)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'vigie: job % can''t be changed so by %: % to %', OLD.id, current_user, OLD.state, NEW.state
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE OR REPLACE TRIGGER saas_job_guard BEFORE UPDATE ON saas_job
    FOR EACH ROW EXECUTE FUNCTION saas_job_guard();

-- Steps: their results are the worker's, of a job that is at work; making them pending again is part of running
-- the job again.
CREATE OR REPLACE FUNCTION saas_job_step_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    job record;
BEGIN
    IF pg_has_role(current_user, 'saas_owner', 'USAGE') THEN
        RETURN NEW;
    END IF;
    SELECT j.state, j.worker, j.token, j.xmin = pg_current_xact_id()::xid AS just_now INTO job
    FROM saas_job j WHERE j.id = NEW.job_id;
    IF TG_OP = 'INSERT' THEN
        -- Only with its job, in the same transaction.
        IF job.state = 'queued' AND job.token = 0 AND job.just_now THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'vigie: job % has its steps already', NEW.job_id USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF pg_has_role(current_user, 'saas_worker', 'USAGE') AND job.state IN ('running', 'undoing') AND job.worker IS NOT NULL
    THEN
        RETURN NEW;
    END IF;
    IF pg_has_role(current_user, 'saas_manager', 'USAGE')
        AND (job.state IN ('failed', 'cancelled', 'stuck') OR job.just_now AND job.worker IS NULL)
        AND (NEW.state = 'pending' OR OLD.state = 'undo_failed' AND NEW.state = 'undoing')
        AND (NEW.data = '{}' OR NEW.data = OLD.data)
        AND (NEW.problem IS NULL OR NEW.problem IS NOT DISTINCT FROM OLD.problem)
    THEN
        RETURN NEW;
    END IF;
    -- Sealed anew, with nothing else of it.
    IF pg_has_role(current_user, 'saas_admin', 'USAGE')
        AND (NEW.state, NEW.problem, NEW.started_at, NEW.finished_at)
            IS NOT DISTINCT FROM (OLD.state, OLD.problem, OLD.started_at, OLD.finished_at)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'vigie: step % of job % can''t be changed so by %: % to %',
        OLD.step, OLD.job_id, current_user, OLD.state, NEW.state USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE OR REPLACE TRIGGER saas_job_step_guard BEFORE INSERT OR UPDATE ON saas_job_step
    FOR EACH ROW EXECUTE FUNCTION saas_job_step_guard();

-- Reservations: taken for a job that nobody has yet, given back when it is over.
CREATE OR REPLACE FUNCTION saas_reservation_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    job record;
BEGIN
    IF pg_has_role(current_user, 'saas_owner', 'USAGE') THEN
        RETURN coalesce(NEW, OLD);
    END IF;
    SELECT j.state, j.worker, j.xmin = pg_current_xact_id()::xid AS just_now INTO job
    FROM saas_job j WHERE j.id = coalesce(NEW.job_id, OLD.job_id);
    IF TG_OP = 'DELETE' THEN
        IF pg_has_role(current_user, 'saas_worker', 'USAGE')
            OR job.state IS NULL OR job.state IN ('done', 'failed', 'cancelled')
        THEN
            RETURN OLD;
        END IF;
    ELSIF job.worker IS NULL AND (job.just_now OR job.state IN ('failed', 'cancelled', 'stuck')) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'vigie: what job % holds can''t be changed so by %', coalesce(NEW.job_id, OLD.job_id), current_user
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE OR REPLACE TRIGGER saas_reservation_guard BEFORE INSERT OR UPDATE OR DELETE ON saas_reservation
    FOR EACH ROW EXECUTE FUNCTION saas_reservation_guard();

-- Instances: a manager has one made or lets go of one of which nothing is left; what becomes of it otherwise is
-- what a job did.
CREATE OR REPLACE FUNCTION saas_instance_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF pg_has_role(current_user, 'saas_owner', 'USAGE') THEN
        RETURN coalesce(NEW, OLD);
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.state = 'provisioning' THEN
            RETURN NEW;
        END IF;
    ELSIF TG_OP = 'DELETE' THEN
        IF pg_has_role(current_user, 'saas_manager', 'USAGE') AND OLD.state IN ('failed', 'draft')
            AND NOT EXISTS (SELECT FROM saas_job j
                            WHERE j.instance_id = OLD.id AND j.state IN ('queued', 'running', 'undoing'))
            OR pg_has_role(current_user, 'saas_worker', 'USAGE')
            AND EXISTS (SELECT FROM saas_job j
                        WHERE j.instance_id = OLD.id AND j.state IN ('running', 'undoing') AND j.worker IS NOT NULL)
        THEN
            RETURN OLD;
        END IF;
    ELSIF NEW.state = OLD.state OR pg_has_role(current_user, 'saas_worker', 'USAGE') THEN
        RETURN NEW;
    ELSIF pg_has_role(current_user, 'saas_manager', 'USAGE')
        AND (OLD.state, NEW.state) IN (('provisioning', 'failed'), ('failed', 'provisioning'))
        AND EXISTS (SELECT FROM saas_job j
                    WHERE j.instance_id = OLD.id AND j.state IN ('queued', 'failed', 'cancelled') AND j.worker IS NULL)
        AND NOT EXISTS (SELECT FROM saas_job j WHERE j.instance_id = OLD.id AND j.state IN ('running', 'undoing'))
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'vigie: instance % can''t be changed so by %: % to %', coalesce(OLD.id, NEW.id), current_user,
        coalesce(OLD.state, 'none'), coalesce(NEW.state, 'gone') USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE OR REPLACE TRIGGER saas_instance_guard BEFORE INSERT OR UPDATE OF state OR DELETE ON saas_instance
    FOR EACH ROW EXECUTE FUNCTION saas_instance_guard();

-- The audit: those who only read write down that they were refused, and nothing that was done.
CREATE OR REPLACE FUNCTION saas_audit_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.refused IS NOT NULL OR pg_has_role(current_user, 'saas_manager', 'USAGE')
        OR pg_has_role(current_user, 'saas_worker', 'USAGE') OR pg_has_role(current_user, 'saas_owner', 'USAGE')
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'vigie: % may only be refused', current_user USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE OR REPLACE TRIGGER saas_audit_guard BEFORE INSERT ON saas_audit
    FOR EACH ROW EXECUTE FUNCTION saas_audit_guard();

REVOKE EXECUTE ON FUNCTION saas_job_guard(), saas_job_step_guard(), saas_reservation_guard(), saas_instance_guard(),
    saas_audit_guard() FROM PUBLIC;
