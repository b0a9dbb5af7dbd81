use intercom_simulator::Misfits;
use serde_json::json;

use crate::client::*;

#[test]
fn attributes_are_created_and_listed() {
    let simulator = simulator();
    for (name, data_type, answered) in [
        ("text", "string", "string"),
        ("count", "integer", "integer"),
        ("ratio", "float", "float"),
        ("flag", "boolean", "boolean"),
        ("seen_at", "datetime", "date"),
        ("day", "date", "date"),
    ] {
        let body = json!({"name": name, "model": "contact", "data_type": data_type});
        let answer = post(&simulator, "/data_attributes", body);
        assert_eq!(
            (answer.status, &answer.body["data_type"]),
            (200, &json!(answered))
        );
    }
    let options = [json!({"value": "S"}), json!({"value": "L"})];
    let body =
        json!({"name": "shirt", "model": "company", "data_type": "options", "options": options});
    assert_eq!(
        post(&simulator, "/data_attributes", body).body["options"],
        json!(["S", "L"])
    );

    let custom = |path: &str| {
        let answer = get(&simulator, path).body;
        let all = answer["data"].as_array().unwrap();
        all.iter()
            .filter(|attribute| attribute["custom"] == true)
            .count()
    };
    assert_eq!(custom("/data_attributes"), 7);
    assert_eq!(custom("/data_attributes?model=contact"), 6);
    assert_eq!(
        get(&simulator, "/data_attributes?model=conversation").status,
        422
    );
}

#[test]
fn bad_attributes_are_refused() {
    let simulator = simulator_with(|settings| settings.attribute_limit = 2);
    attribute(&simulator, "company", "The One Ring", "string");
    attribute(&simulator, "contact", "a", "string");
    let long = "x".repeat(191);
    for (name, model, data_type, message) in [
        (
            "The One Ring",
            "contact",
            "integer",
            "You already have 'The One Ring' in your company data. To save this as new people data, use a different name.",
        ),
        (
            "a",
            "contact",
            "string",
            "You already have 'a' in your people data. To save this as new people data, use a different name.",
        ),
        ("b", "contact", "mithril", "Data Type isn't an option"),
        (
            "b",
            "contact",
            "options",
            "The Data Attribute must have at least two options",
        ),
        (
            "b",
            "conversation",
            "string",
            "The Data Attribute model field must be either contact or company",
        ),
        (
            "a.b",
            "contact",
            "string",
            "Your name for this attribute must only contain alphanumeric characters, currency symbols, and hyphens",
        ),
        (
            "a$b",
            "contact",
            "string",
            "Your name for this attribute must only contain alphanumeric characters, currency symbols, and hyphens",
        ),
        (
            &long,
            "contact",
            "string",
            "Your name for this attribute must not be longer than 190 characters",
        ),
    ] {
        let body = json!({"name": name, "model": model, "data_type": data_type});
        let answer = post(&simulator, "/data_attributes", body);
        assert_eq!((answer.status, answer.message()), (400, message));
        assert_eq!(answer.code(), "parameter_invalid");
    }

    attribute(&simulator, "contact", "b", "string");
    let third = json!({"name": "c", "model": "contact", "data_type": "string"});
    let refused = post(&simulator, "/data_attributes", third.clone());
    assert_eq!(
        (refused.status, refused.code()),
        (400, "custom_data_limit_reached")
    );
    simulator.set(|settings| settings.attribute_writes_allowed = false);
    let refused = post(&simulator, "/data_attributes", third);
    assert_eq!((refused.status, refused.code()), (403, "action_forbidden"));
}

#[test]
fn standard_attributes_are_listed_and_neither_made_nor_written() {
    let simulator = simulator();
    let listed = |model: &str| {
        let answer = get(&simulator, &format!("/data_attributes?model={model}")).body;
        let all = answer["data"].as_array().unwrap().clone();
        assert!(all.iter().all(|attribute| attribute["custom"] == false));
        let name = |attribute: &serde_json::Value| attribute["name"].as_str().unwrap().to_owned();
        all.iter().map(name).collect::<Vec<_>>()
    };
    let of_contacts = listed("contact");
    for name in [
        "name",
        "email",
        "role",
        "city",
        "region",
        "country",
        "browser",
        "os",
        "updated_at",
    ] {
        assert!(of_contacts.iter().any(|listed| listed == name), "{name}");
    }
    assert!(listed("company").contains(&"industry".to_owned()));

    for (model, name, message) in [
        (
            "contact",
            "name",
            "'Name' is one of our standard attributes",
        ),
        (
            "contact",
            "City",
            "'City' is one of our standard attributes",
        ),
        (
            "company",
            "size",
            "'Company size' is one of our standard attributes",
        ),
    ] {
        let body = json!({"name": name, "model": model, "data_type": "string"});
        let refused = post(&simulator, "/data_attributes", body);
        let said = (refused.status, refused.code(), refused.message());
        assert_eq!(said, (400, "parameter_invalid", message));
    }
    attribute(&simulator, "company", "city", "string");

    let body = json!({"role": "user", "external_id": "a", "custom_attributes": {"city": "Rome"}});
    let refused = post(&simulator, "/contacts", body);
    assert_eq!(refused.message(), "Custom attribute 'city' does not exist");
}

#[test]
fn values_fit_their_type() {
    let simulator = simulator();
    attribute(&simulator, "contact", "count", "integer");
    attribute(&simulator, "contact", "ratio", "float");
    let write = |value: serde_json::Value| {
        let id = simulator.state().contacts.len().to_string();
        let body = json!({"role": "user", "external_id": id, "custom_attributes": value});
        let answer = post(&simulator, "/contacts", body);
        (answer.status, answer.message().to_owned())
    };
    let refused = |message: &str| (400, message.to_owned());
    let of_integer = "Custom attribute 'count' must be of type integer";
    assert_eq!(write(json!({"count": 10.5})), refused(of_integer));
    assert_eq!(write(json!({"count": "10"})), refused(of_integer));
    assert_eq!(write(json!({"ratio": 10})).0, 200);
    assert_eq!(write(json!({"ratio": 10.5})).0, 200);
    assert_eq!(
        write(json!({"ratio": "x"})),
        refused("Custom attribute 'ratio' must be of type float")
    );
}

#[test]
fn a_value_that_does_not_fit_is_refused_in_one_of_many_forms_or_ignored() {
    for (misfits, message, field) in [
        (
            Misfits::Named,
            "Custom attribute 'tier' must be of type float",
            Some("tier"),
        ),
        (
            Misfits::NamedBeforeValue,
            "Custom attribute 'tier' has an invalid value: 'gold' is not in the list of allowed values",
            None,
        ),
        (
            Misfits::NamedAfterValue,
            "'gold' is not a valid option for 'tier'",
            None,
        ),
        (
            Misfits::DoubleQuoted,
            "\"tier\" must be one of \"a\", \"b\"",
            None,
        ),
        (Misfits::Unquoted, "tier must be one of a, b", None),
        (Misfits::FieldAlone, "is invalid", Some("tier")),
        (
            Misfits::Unnamed,
            "A custom attribute has an invalid value",
            None,
        ),
    ] {
        let simulator = simulator_with(|settings| settings.misfits = misfits);
        attribute(&simulator, "contact", "tier", "float");
        let user =
            json!({"role": "user", "external_id": "u", "custom_attributes": {"tier": "gold"}});
        let refused = post(&simulator, "/contacts", user);
        assert_eq!((refused.status, refused.message()), (400, message));
        assert_eq!(refused.body["errors"][0]["field"].as_str(), field);
    }
    let simulator = simulator_with(|settings| settings.misfits = Misfits::Ignored);
    attribute(&simulator, "contact", "tier", "float");
    let user = json!({"role": "user", "external_id": "u", "name": "A",
        "custom_attributes": {"tier": "gold"}});
    let answer = post(&simulator, "/contacts", user);
    assert_eq!((answer.status, &answer.body["name"]), (200, &json!("A")));
    assert_eq!(answer.body["custom_attributes"], json!({}));
}

#[test]
fn names_may_be_refused_for_more_than_the_documented_characters() {
    let simulator = simulator_with(|settings| settings.strict_attribute_names = true);
    for (name, status) in [("plan_1-a", 200), ("plan (EUR)", 400), ("a/b", 400)] {
        let body = json!({"name": name, "model": "contact", "data_type": "string"});
        assert_eq!(
            post(&simulator, "/data_attributes", body).status,
            status,
            "{name}"
        );
    }
}
