use serde_json::{Value, json};

use crate::client::*;

#[test]
fn a_company_is_created_and_updated_by_company_id() {
    let simulator = simulator();
    attribute(&simulator, "company", "seats", "integer");
    let created = post(
        &simulator,
        "/companies",
        json!({
            "company_id": "c 1",
            "name": "Acme",
            "plan": "Pro",
            "size": 10,
            "monthly_spend": i32::MAX,
            "remote_created_at": 1_700_000_000,
            "custom_attributes": {"seats": 3},
        }),
    );
    assert_eq!(created.status, 200, "{}", created.body);
    assert_eq!(
        created.body["plan"],
        json!({"type": "plan", "id": "1", "name": "Pro"})
    );
    let updated = post(
        &simulator,
        "/companies",
        json!({"company_id": "c 1", "name": "Acme Ltd"}),
    );
    assert_eq!(updated.id(), created.id());
    assert_eq!(updated.body["name"], "Acme Ltd");
    assert_eq!(updated.body["size"], 10);

    let path = format!("/companies/{}", created.id());
    assert_eq!(get(&simulator, &path).body, updated.body);
    let list = get(&simulator, "/companies?company_id=c%201");
    assert_eq!(list.body["data"][0], updated.body);
    simulator.set(|settings| settings.company_lookup_as_list = false);
    assert_eq!(
        get(&simulator, "/companies?company_id=c+1").body,
        updated.body
    );

    let kept = put(
        &simulator,
        &path,
        json!({"company_id": "other", "industry": "Anvils"}),
    );
    assert_eq!(kept.body["company_id"], "c 1");
    assert_eq!(kept.body["industry"], "Anvils");
    assert_eq!(
        get(&simulator, "/companies?company_id=x").code(),
        "company_not_found"
    );
    assert_eq!(get(&simulator, "/companies/x").code(), "company_not_found");
}

#[test]
fn bad_companies_are_refused_as_a_whole() {
    let simulator = simulator();
    for (body, code) in [
        (json!({"name": "Acme"}), "parameter_not_found"),
        (json!({"company_id": ""}), "parameter_not_found"),
        (json!({"company_id": "c", "test": "invalid"}), "bad_request"),
        (
            json!({"company_id": "c", "size": "10"}),
            "parameter_invalid",
        ),
        (
            json!({"company_id": "c", "size": 10.5}),
            "parameter_invalid",
        ),
        (
            json!({"company_id": "c", "monthly_spend": 1998.99}),
            "parameter_invalid",
        ),
        (
            json!({"company_id": "c", "monthly_spend": 2_147_483_648_u64}),
            "parameter_invalid",
        ),
        (
            json!({"company_id": "c", "remote_created_at": "2020"}),
            "parameter_invalid",
        ),
        (
            json!({"company_id": "c", "custom_attributes": {"x": 1}}),
            "parameter_invalid",
        ),
    ] {
        let answer = post(&simulator, "/companies", body.clone());
        assert_eq!((answer.status, answer.code()), (400, code), "{body}");
    }
    assert!(simulator.state().companies.is_empty());
}

#[test]
fn contacts_are_attached_and_detached() {
    let simulator = simulator_with(|settings| settings.contact_company_limit = 2);
    let contact = user(&simulator, "ada", "ada@example.com");
    let companies: Vec<String> = ["c1", "c2", "c3"]
        .iter()
        .map(|id| post(&simulator, "/companies", json!({"company_id": id})).id())
        .collect();
    let path = format!("/contacts/{contact}/companies");
    let attach = |id: &str| post(&simulator, &path, json!({"id": id}));

    assert_eq!(attach(&companies[0]).body["user_count"], 1);
    assert_eq!(attach(&companies[0]).body["user_count"], 1);
    assert_eq!(attach(&companies[1]).status, 200);
    assert_eq!(attach(&companies[1]).status, 200);
    assert_eq!(
        attach(&companies[2]).code(),
        "contact_company_limit_exceeded"
    );
    let unknown = attach("c1");
    assert_eq!((unknown.status, unknown.code()), (404, "company_not_found"));
    assert_eq!(
        post(&simulator, &path, json!({})).code(),
        "parameter_not_found"
    );
    assert_eq!(simulator.state().contacts[0].companies, ["c1", "c2"]);
    assert_eq!(get(&simulator, &path).body["total_count"], 2);

    let detach = |id: &str| delete(&simulator, &format!("{path}/{id}"));
    assert_eq!(detach(&companies[0]).body["user_count"], 0);
    assert_eq!(detach(&companies[0]).code(), "company_not_found");
    assert_eq!(detach("nothing").code(), "company_not_found");
    let nobody = delete(
        &simulator,
        &format!("/contacts/nobody/companies/{}", companies[0]),
    );
    assert_eq!((nobody.status, nobody.code()), (404, "not_found"));
    assert_eq!(simulator.state().contacts[0].companies, ["c2"]);

    assert_eq!(
        delete(&simulator, &format!("/companies/{}", companies[1])).body["deleted"],
        true
    );
    let shown = get(&simulator, &format!("/contacts/{contact}"));
    assert_eq!(shown.body["companies"]["data"], Value::Array(Vec::new()));
}

#[test]
fn merged_and_deleted_contacts_no_longer_count() {
    let simulator = simulator();
    let user = user(&simulator, "ada", "ada@example.com");
    let lead = lead(&simulator, json!({"name": "Ada"}));
    let company = post(&simulator, "/companies", json!({"company_id": "c"})).id();
    for contact in [&user, &lead] {
        post(
            &simulator,
            &format!("/contacts/{contact}/companies"),
            json!({"id": company}),
        );
    }
    let count = || simulator.state().companies[0].user_count;
    assert_eq!(count(), 2);
    let merge = json!({"from": lead, "into": user, "skip_duplicate_validation": true});
    post(&simulator, "/contacts/merge", merge);
    assert_eq!(count(), 1);
    delete(&simulator, &format!("/contacts/{user}"));
    assert_eq!(count(), 0);
}
