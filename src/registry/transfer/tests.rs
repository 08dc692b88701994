//! A copy that is not equal is found, whatever is wrong with it.

use super::*;
use pretty_assertions::assert_eq;
use serde_json::json;

/// A store in memory that may lose, change or add something.
#[derive(Default)]
struct Memory {
    rows: BTreeMap<&'static str, Vec<Row>>,
    counters: Counters,
    flaw: Option<fn(&'static str, &mut Vec<Row>)>,
}

fn order(table: &Table, row: &Row) -> String {
    key_of(table, row)
        .iter()
        .map(|v| format!("{:>20}/", v.to_string()))
        .collect()
}

#[async_trait]
impl Source for Memory {
    async fn count(&mut self, table: &'static Table) -> Result<u64> {
        Ok(self.rows.get(table.name).map_or(0, |rows| rows.len() as u64))
    }
    async fn page(&mut self, table: &'static Table, after: Option<Vec<Value>>, limit: usize) -> Result<Vec<Row>> {
        let mut rows = self.rows.get(table.name).cloned().unwrap_or_default();
        rows.sort_by_key(|row| order(table, row));
        let behind = |row: &Row| {
            after.as_ref().is_none_or(|after| {
                order(table, row)
                    > after
                        .iter()
                        .map(|v| format!("{:>20}/", v.to_string()))
                        .collect::<String>()
            })
        };
        Ok(rows.into_iter().filter(behind).take(limit).collect())
    }
    async fn counters(&mut self) -> Result<Counters> {
        Ok(self.counters.clone())
    }
}

#[async_trait]
impl Target for Memory {
    async fn put(&mut self, table: &'static Table, mut rows: Vec<Row>) -> Result<()> {
        if let Some(flaw) = self.flaw {
            flaw(table.name, &mut rows);
        }
        self.rows.entry(table.name).or_default().extend(rows);
        Ok(())
    }
    async fn set_counters(&mut self, counters: &Counters) -> Result<()> {
        self.counters = counters.clone();
        Ok(())
    }
    async fn finish(self: Box<Self>, _op: &Op, _from: &str, _rows: u64) -> Result<()> {
        Ok(())
    }
}

fn customers(count: i64) -> Memory {
    let rows = (1..=count).map(|id| vec![json!(id), json!(format!("customer {id}")), Value::Null]);
    Memory {
        rows: BTreeMap::from([("saas_customer", rows.collect())]),
        counters: Counters::from([("saas_customer".to_owned(), count + 7)]),
        flaw: None,
    }
}

async fn copied(flaw: Option<fn(&'static str, &mut Vec<Row>)>) -> Result<Report> {
    let mut report = Report {
        from: String::new(),
        to: String::new(),
        dry_run: false,
        tables: Vec::new(),
        rows: 0,
        waiting_jobs: 0,
    };
    let mut target = Memory {
        flaw,
        ..Memory::default()
    };
    // More than a page.
    rows(&mut customers(2_345), &mut target, &mut report, &|_, _| {}).await?;
    Ok(report)
}

#[tokio::test]
async fn every_row_is_copied_and_compared() {
    let report = copied(None).await.unwrap();
    assert_eq!((report.rows, report.tables.len()), (2_345, TABLES.len()));
    assert!(report.tables.iter().all(|table| table.rows == table.compared));
}

/// What spoils the rows of a table.
type Flaw = fn(&'static str, &mut Vec<Row>);

#[tokio::test]
async fn a_copy_that_differs_anywhere_is_refused_with_its_place_and_without_its_values() {
    let flaws: [(Flaw, &str); 4] = [
        (
            |_, rows| rows.retain(|row| row[0] != json!(1_700)),
            "saas_customer 1700: the whole row is missing",
        ),
        (
            |_, rows| rows.retain(|row| row[0] != json!(2_345)),
            "saas_customer 2345: the whole row is missing",
        ),
        (
            |_, rows| {
                rows.iter_mut()
                    .filter(|row| row[0] == json!(9))
                    .for_each(|row| row[1] = json!("Customer 9"))
            },
            "saas_customer 9: name",
        ),
        (
            |_, rows| {
                rows.extend(
                    (rows.last().map(|r| &r[0]) == Some(&json!(2_345)))
                        .then(|| vec![json!(3_000), json!("x"), Value::Null]),
                )
            },
            "saas_customer 3000: the row should not be there",
        ),
    ];
    for (flaw, wanted) in flaws {
        let said = copied(Some(flaw)).await.unwrap_err().to_string();
        assert!(said.contains(wanted), "{said}");
        assert!(said.contains("taken back") && !said.contains("Customer"), "{said}");
    }
}

#[test]
fn json_is_equal_where_it_means_the_same() {
    let read = |text: &str| canonical(serde_json::from_str(text).unwrap());
    assert_eq!(
        read(r#"{"b": 1e2, "a": [1.0, 0.5]}"#),
        read(r#"{"a":[1,0.50],"b":100}"#)
    );
    assert_ne!(read("0.1"), read("0.10001"));
    assert_ne!(
        read("9007199254740993"),
        read("9007199254740992"),
        "whole numbers keep every digit"
    );
}

#[test]
fn tables_come_after_those_they_refer_to_and_their_keys_are_columns() {
    let at = |name: &str| TABLES.iter().position(|table| table.name == name).unwrap();
    for (table, refers) in [
        ("saas_template", "saas_server"),
        ("saas_instance", "saas_template"),
        ("saas_instance", "saas_plan"),
        ("saas_instance", "saas_customer"),
        ("saas_health_check", "saas_server"),
        ("saas_job_step", "saas_job"),
        ("saas_job_log", "saas_job"),
        ("saas_reservation", "saas_job"),
    ] {
        assert!(at(refers) < at(table), "{table} refers to {refers}");
    }
    for table in &TABLES {
        assert_eq!(table.key_at().len(), table.key.len(), "{}", table.name);
    }
}
