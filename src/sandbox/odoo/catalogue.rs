//! The modules a stand-in knows, with what each brings along.

/// Id, name, title, whether it is an application, sequence: as an Odoo 16 numbers them.
const MODULES: &[(i32, &str, &str, bool, i32)] = &[
    (1, "account", "Invoicing", true, 10),
    (15, "analytic", "Analytic Accounting", false, 100),
    (23, "auth_signup", "Signup", false, 100),
    (24, "auth_totp", "Two-Factor Authentication (TOTP)", false, 100),
    (28, "barcodes", "Barcode", false, 100),
    (30, "base", "Base", false, 100),
    (35, "base_import", "Base import", false, 100),
    (38, "base_setup", "Initial Setup Tools", false, 100),
    (41, "board", "Dashboards", false, 225),
    (42, "bus", "IM Bus", false, 100),
    (43, "calendar", "Calendar", true, 165),
    (45, "contacts", "Contacts", true, 150),
    (46, "crm", "CRM", true, 15),
    (53, "delivery", "Delivery Costs", false, 100),
    (56, "digest", "KPI Digests", false, 100),
    (57, "event", "Events Organization", false, 100),
    (64, "fleet", "Fleet", true, 185),
    (71, "hr", "Employees", true, 95),
    (72, "hr_attendance", "Attendances", true, 240),
    (74, "hr_expense", "Expenses", true, 70),
    (77, "hr_holidays", "Time Off", true, 85),
    (94, "http_routing", "Web Routing", false, 9100),
    (101, "im_livechat", "Live Chat", true, 210),
    (147, "l10n_fr", "France - Accounting", false, 100),
    (234, "loyalty", "Coupons & Loyalty", false, 100),
    (236, "lunch", "Lunch", true, 300),
    (237, "mail", "Discuss", true, 145),
    (242, "maintenance", "Maintenance", true, 100),
    (243, "mass_mailing", "Email Marketing", true, 60),
    (259, "mrp", "Manufacturing", true, 55),
    (270, "note", "Notes", true, 260),
    (273, "payment", "Payment Engine", false, 100),
    (292, "phone_validation", "Phone Numbers Validation", false, 9999),
    (293, "point_of_sale", "Point of Sale", true, 40),
    (294, "portal", "Customer Portal", false, 9000),
    (307, "pos_restaurant", "Restaurant", false, 6),
    (317, "product", "Products & Pricelists", false, 100),
    (323, "project", "Project", true, 45),
    (331, "purchase", "Purchase", true, 35),
    (338, "rating", "Customer Rating", false, 100),
    (339, "repair", "Repairs", true, 230),
    (340, "resource", "Resource", false, 100),
    (341, "sale", "Sales", false, 100),
    (347, "sale_management", "Sales", true, 5),
    (363, "sales_team", "Sales Teams", false, 100),
    (364, "sms", "SMS gateway", false, 100),
    (365, "snailmail", "Snail Mail", false, 100),
    (384, "stock", "Inventory", true, 25),
    (385, "stock_account", "WMS Accounting", false, 16),
    (390, "survey", "Surveys", true, 220),
    (436, "uom", "Units of measure", false, 100),
    (437, "utm", "UTM Trackers", false, 100),
    (438, "web", "Web", false, 100),
    (439, "web_editor", "Web Editor", false, 100),
    (440, "web_kanban_gauge", "Gauge Widget for Kanban", false, 100),
    (441, "web_tour", "Tours", false, 100),
    (442, "web_unsplash", "Unsplash Image Library", false, 100),
    (443, "website", "Website", true, 20),
    (485, "website_sale", "eCommerce", true, 50),
];

/// What is installed in every new database.
const INSTALLED: &[&str] = &[
    "auth_totp",
    "base",
    "base_import",
    "bus",
    "web",
    "web_editor",
    "web_kanban_gauge",
    "web_tour",
];

/// What installing a module brings along.
const NEEDS: &[(&str, &[&str])] = &[
    ("mail", &["base_setup", "bus"]),
    ("contacts", &["mail"]),
    ("calendar", &["mail"]),
    ("portal", &["mail", "http_routing", "auth_signup"]),
    ("product", &["mail", "uom"]),
    ("analytic", &["mail", "uom"]),
    ("account", &["product", "analytic", "portal", "digest"]),
    ("l10n_fr", &["account"]),
    ("sales_team", &["mail"]),
    (
        "crm",
        &[
            "sales_team",
            "calendar",
            "utm",
            "phone_validation",
            "contacts",
            "digest",
        ],
    ),
    ("sale", &["sales_team", "account", "payment", "utm"]),
    ("payment", &["portal"]),
    ("sale_management", &["sale", "digest"]),
    ("stock", &["product", "barcodes", "digest"]),
    ("stock_account", &["stock", "account"]),
    ("purchase", &["account"]),
    ("mrp", &["stock", "resource"]),
    ("point_of_sale", &["stock_account", "barcodes", "digest"]),
    ("pos_restaurant", &["point_of_sale"]),
    ("website", &["http_routing", "portal", "auth_signup", "utm", "digest"]),
    ("website_sale", &["website", "sale", "payment", "delivery"]),
    ("delivery", &["sale", "stock"]),
    ("hr", &["mail", "resource"]),
    ("hr_holidays", &["hr", "calendar"]),
    ("hr_expense", &["hr", "account"]),
    ("hr_attendance", &["hr", "barcodes"]),
    (
        "project",
        &["analytic", "mail", "portal", "rating", "resource", "digest"],
    ),
    ("survey", &["mail", "http_routing"]),
    ("event", &["mail", "portal", "utm"]),
    ("digest", &["mail", "portal", "resource"]),
    ("maintenance", &["mail"]),
    ("repair", &["stock", "sale"]),
    ("fleet", &["mail"]),
    ("note", &["mail"]),
];

/// The statement that fills `ir_module_module`.
pub(super) fn sql() -> String {
    let rows: Vec<String> = MODULES
        .iter()
        .map(|(id, name, title, application, sequence)| {
            let installed = INSTALLED.contains(name);
            let (state, version) = if installed { ("installed", "'16.0.1.0'") } else { ("uninstalled", "NULL") };
            let title = title.replace('\'', "''");
            format!(
                "({id}, '{name}', '{state}', {version}, jsonb_build_object('en_US', '{title}'), {application}, {sequence})"
            )
        })
        .collect();
    format!(
        "INSERT INTO ir_module_module (id, name, state, latest_version, shortdesc, application, sequence) VALUES {}; \
         SELECT setval('ir_module_module_id_seq', 600);",
        rows.join(", ")
    )
}

/// `modules` and all that they need.
pub(super) fn with_needs(modules: Vec<String>) -> Vec<String> {
    let mut all = modules;
    let mut next = 0;
    while let Some(module) = all.get(next).cloned() {
        let needs = NEEDS
            .iter()
            .find(|(name, _)| *name == module)
            .map_or(&[][..], |(_, needs)| needs);
        for need in needs {
            if !all.iter().any(|known| known == need) {
                all.push((*need).to_owned());
            }
        }
        next += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_brings_what_it_needs_once() {
        let all = with_needs(vec!["pos_restaurant".to_owned()]);
        for need in ["point_of_sale", "stock_account", "account", "product", "mail"] {
            assert_eq!(all.iter().filter(|name| *name == need).count(), 1, "{need}");
        }
    }

    #[test]
    fn every_need_is_a_known_module() {
        let known = |name: &str| MODULES.iter().any(|module| module.1 == name);
        for (name, needs) in NEEDS {
            assert!(known(name), "{name}");
            assert!(needs.iter().all(|need| known(need)), "{name}");
        }
        assert!(INSTALLED.iter().all(|name| known(name)));
    }
}
