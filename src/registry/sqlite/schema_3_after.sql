-- What keeps the chain, once the rows that were there before are in it.

CREATE TRIGGER saas_audit_kept BEFORE DELETE ON saas_audit
BEGIN SELECT RAISE(ABORT, 'vigie: the audit is only ever added to'); END;
CREATE TRIGGER saas_audit_true BEFORE UPDATE ON saas_audit
BEGIN SELECT RAISE(ABORT, 'vigie: the audit is only ever added to'); END;
CREATE TRIGGER saas_audit_chained BEFORE INSERT ON saas_audit
WHEN length(NEW.hash) <> 64 OR NEW.id IS NOT (SELECT last_id + 1 FROM saas_audit_head)
BEGIN SELECT RAISE(ABORT, 'vigie: a row of the audit follows the one before it'); END;
CREATE TRIGGER saas_audit_noted AFTER INSERT ON saas_audit
BEGIN UPDATE saas_audit_head SET last_id = NEW.id, hash = NEW.hash; END;
