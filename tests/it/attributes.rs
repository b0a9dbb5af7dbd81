//! Custom attributes that Intercom lacks or refuses: the rest of the write arrives, and what was
//! learned isn't asked again.

use intercom_simulator::Fault;
use serde_json::{Map, Value, json};

use crate::support::World;

fn identify(user_id: &str, traits: &Value) -> Value {
    json!({"type": "identify", "userId": user_id, "traits": traits})
}

#[tokio::test]
async fn standard_attributes_are_left_out_once() {
    for mode in ["create", "drop"] {
        let world = World::new(&[("UNKNOWN_ATTRIBUTES", mode)]).await;
        world
            .intercom
            .seed_contact(json!({"role": "user", "external_id": "u"}));
        let user = identify("u", &json!({"name": "A", "role": "admin", "city": "Rome"}));
        world.batch(std::slice::from_ref(&user)).await;
        let calls = world.calls();
        let made = calls.iter().filter(|call| *call == "POST /data_attributes");
        assert_eq!(made.count(), 0, "Intercom's list names them");
        assert_eq!(
            world.intercom.state().contacts[0].name.as_deref(),
            Some("A")
        );
        world.batch(&[user]).await;
        assert_eq!(world.calls()[calls.len()..], ["PUT /contacts/:id"]);
    }
}

#[tokio::test]
async fn with_drop_nothing_is_made_for_a_company_either() {
    let world = World::new(&[("UNKNOWN_ATTRIBUTES", "drop")]).await;
    let company = json!({"company": {"id": "c", "name": "Acme", "floors": 2}});
    world.batch(&[identify("u", &company)]).await;
    let state = world.intercom.state();
    assert!(state.data_attributes.is_empty());
    assert_eq!(state.companies[0].name.as_deref(), Some("Acme"));
    assert_eq!(state.contacts[0].companies, ["c"]);
}

#[tokio::test]
async fn a_refused_value_is_remembered_and_another_one_is_tried() {
    for (refused, another) in [(json!(5), json!(6)), (json!(true), json!(false))] {
        let world = World::new(&[]).await;
        let plan = |value: &Value| identify("u", &json!({"plan": value}));
        world.batch(&[plan(&json!("pro"))]).await;
        world.batch(&[plan(&refused)]).await;
        let before = world.calls().len();
        world.batch(&[plan(&refused)]).await;
        assert_eq!(world.calls()[before..], ["PUT /contacts/:id"], "{refused}");
        let before = world.calls().len();
        world.batch(&[plan(&another)]).await;
        assert!(world.calls().len() > before + 1, "{another} is tried");
        world.batch(&[plan(&json!("basic"))]).await;
        let contact = &world.intercom.state().contacts[0];
        assert_eq!(contact.custom_attributes["plan"], "basic", "{refused}");
    }
}

#[tokio::test]
async fn an_attribute_that_cannot_be_made_now_is_made_with_the_retry() {
    let world = World::new(&[]).await;
    let fails = Fault::status(500).on("POST", "/data_attributes").times(1);
    world.intercom.add_fault(fails);
    let user = identify("u", &json!({"name": "A", "plan": "pro"}));
    world.batch(&[user]).await;
    assert_eq!(world.aws().retry.len(), 1);
    world.redeliver(2).await;
    let contact = &world.intercom.state().contacts[0];
    assert_eq!(contact.custom_attributes["plan"], "pro");
}

/// Intercom refuses to create it once more, which is no reason to leave it out.
#[tokio::test]
async fn an_attribute_that_another_instance_creates_meanwhile_is_kept() {
    let world = World::new(&[]).await;
    let created = Fault::status(400).code("parameter_invalid").after();
    world
        .intercom
        .add_fault(created.on("POST", "/data_attributes"));
    let user = identify("u", &json!({"plan": "pro"}));
    world.batch(&[user]).await;
    let contact = &world.intercom.state().contacts[0];
    assert_eq!(contact.custom_attributes["plan"], "pro");
}

#[tokio::test]
async fn an_attribute_that_another_instance_has_created_is_kept_beside_a_new_one() {
    let world = World::new(&[]).await;
    let plan = identify("u", &json!({"plan": "basic"}));
    world.batch(&[plan]).await;
    let another = world.another_instance(&[]);
    let both = identify("u", &json!({"plan": "pro", "seats": 3}));
    let answer = crate::support::invoke(&another, &both).await;
    assert_eq!(
        answer.expect("results")["results"][0]["status"],
        "delivered"
    );
    let contact = &world.intercom.state().contacts[0];
    assert_eq!(contact.custom_attributes["plan"], "pro");
    assert_eq!(contact.custom_attributes["seats"], 3);
}

#[tokio::test]
async fn an_attribute_that_intercom_refuses_to_create_keeps_no_other_from_being_created() {
    let world = World::new(&[]).await;
    let fault = Fault::status(400).code("parameter_invalid");
    let fault = fault.on("POST", "/data_attributes").body_contains("odd");
    world.intercom.add_fault(fault);
    world.batch(&[identify("u", &json!({"odd": 1}))]).await;
    world.batch(&[identify("u", &json!({"plan": "pro"}))]).await;
    let contact = &world.intercom.state().contacts[0];
    assert_eq!(contact.custom_attributes["plan"], "pro");
}

fn refused(message: &str) -> Fault {
    let refused = Fault::status(400).code("parameter_invalid");
    refused.message(message).on("POST", "/contacts")
}

#[tokio::test]
async fn a_write_that_is_then_refused_for_another_reason_is_rejected_soon() {
    let world = World::new(&[]).await;
    let lacking = refused("Custom attribute 'plan' does not exist").times(1);
    world.intercom.add_fault(lacking);
    world.intercom.add_fault(refused("email is invalid"));
    let user = identify("u", &json!({"plan": "pro", "email": "u@example.org"}));
    world.batch(&[user]).await;
    let reasons = world.reasons();
    assert!(reasons[0].contains("email is invalid"), "{reasons:?}");
    let calls = world.calls();
    let writes = calls.iter().filter(|call| *call == "POST /contacts");
    // Without the email and, since nothing then tells what is wrong, without custom attributes.
    assert_eq!(writes.count(), 4);
}

#[tokio::test]
async fn no_lead_is_made_without_the_attribute_by_which_it_is_found_again() {
    let world = World::new(&[("ANONYMOUS", "lead")]).await;
    let fault = refused("Custom attribute 'anonymous_id' must be of type number");
    world
        .intercom
        .add_fault(fault.body_contains("anonymous_id"));
    let visitor = json!({"type": "identify", "anonymousId": "a", "traits": {"name": "A"}});
    world.batch(&[visitor]).await;
    assert!(world.intercom.state().contacts.is_empty());
    let reasons = world.reasons();
    assert!(reasons[0].contains("'anonymous_id'"), "{reasons:?}");
}

fn traits(count: usize) -> Value {
    let traits = (0..count).map(|n| (format!("t{n}"), json!(n)));
    Value::Object(traits.collect::<Map<_, _>>())
}

#[tokio::test]
async fn at_the_limit_of_attributes_one_event_costs_hardly_more_than_another() {
    let world = World::new(&[]).await;
    world.intercom.set(|settings| settings.attribute_limit = 0);
    let user = identify("u", &traits(2_900));
    world.invoke(&user).await.expect("results");
    let calls = world.calls().len();
    assert!(calls < 20, "{calls}");
    world
        .invoke(&identify("v", &traits(2_900)))
        .await
        .expect("results");
    let contacts = world.intercom.state().contacts;
    assert_eq!(contacts.len(), 2);
    assert!(world.calls().len() - calls < 6, "{}", world.calls().len());
}

#[tokio::test]
async fn all_companies_of_an_event_are_written_in_one_try() {
    let world = World::new(&[]).await;
    world.intercom.add_fault(Fault::hang(0.1));
    let companies: Vec<Value> = (0..60).map(|n| json!({"id": format!("c{n}")})).collect();
    let user = identify("u", &json!({"companies": companies}));
    let answer = world.invoke(&user).await.expect("results");
    assert_eq!(answer["results"][0]["status"], "delivered", "{answer}");
    // The others are left out, with a warning.
    assert_eq!(world.intercom.state().contacts[0].companies.len(), 50);
}

#[tokio::test]
async fn one_event_makes_at_most_a_hundred_attributes() {
    let world = World::new(&[]).await;
    world
        .intercom
        .set(|settings| settings.attribute_limit = 1_000);
    world
        .invoke(&identify("u", &traits(150)))
        .await
        .expect("results");
    let state = world.intercom.state();
    assert_eq!(state.data_attributes.len(), 100);
    assert_eq!(state.contacts[0].custom_attributes.len(), 100);
}
