-- Times have six decimals from here on: PostgreSQL keeps no more, and what is copied there and back is
-- equal to the last digit. Text of one length sorts as time does, so the older ones are cut.

DROP TRIGGER saas_audit_true;

UPDATE saas_server SET created_at = substr(created_at, 1, 26) || 'Z' WHERE length(created_at) = 30;
UPDATE saas_server SET last_check_date = substr(last_check_date, 1, 26) || 'Z' WHERE length(last_check_date) = 30;
UPDATE saas_server SET last_success_date = substr(last_success_date, 1, 26) || 'Z' WHERE length(last_success_date) = 30;
UPDATE saas_server SET check_claimed_at = substr(check_claimed_at, 1, 26) || 'Z' WHERE length(check_claimed_at) = 30;
UPDATE saas_template SET created_at = substr(created_at, 1, 26) || 'Z' WHERE length(created_at) = 30;
UPDATE saas_instance SET created_at = substr(created_at, 1, 26) || 'Z' WHERE length(created_at) = 30;
UPDATE saas_health_check SET check_date = substr(check_date, 1, 26) || 'Z' WHERE length(check_date) = 30;
UPDATE saas_job SET created_at = substr(created_at, 1, 26) || 'Z' WHERE length(created_at) = 30;
UPDATE saas_job SET started_at = substr(started_at, 1, 26) || 'Z' WHERE length(started_at) = 30;
UPDATE saas_job SET finished_at = substr(finished_at, 1, 26) || 'Z' WHERE length(finished_at) = 30;
UPDATE saas_job_step SET started_at = substr(started_at, 1, 26) || 'Z' WHERE length(started_at) = 30;
UPDATE saas_job_step SET finished_at = substr(finished_at, 1, 26) || 'Z' WHERE length(finished_at) = 30;
UPDATE saas_job_log SET at = substr(at, 1, 26) || 'Z' WHERE length(at) = 30;
UPDATE saas_worker SET started_at = substr(started_at, 1, 26) || 'Z' WHERE length(started_at) = 30;
UPDATE saas_worker SET seen_at = substr(seen_at, 1, 26) || 'Z' WHERE length(seen_at) = 30;
UPDATE saas_audit SET at = substr(at, 1, 26) || 'Z' WHERE length(at) = 30;
UPDATE saas_operation SET at = substr(at, 1, 26) || 'Z' WHERE length(at) = 30;

CREATE TRIGGER saas_audit_true BEFORE UPDATE ON saas_audit BEGIN SELECT RAISE(ABORT, 'vigie: the audit is only ever added to'); END;

-- The id of the key that the last worker lacked: the job waits for a worker that has it.
ALTER TABLE saas_job ADD COLUMN waits_for_key TEXT;
DROP TRIGGER saas_job_changed;
CREATE TRIGGER saas_job_changed
AFTER UPDATE OF state, worker, token, waits_for_key, attempt, cancel_requested, result, problem, spec, title, finished_at ON saas_job
BEGIN INSERT INTO saas_change (entity, entity_id) VALUES ('job', NEW.id); END;
