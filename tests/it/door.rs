//! What comes in, and what is answered.

use serde_json::json;

use crate::support::World;

#[tokio::test]
async fn an_identify_becomes_a_contact_in_its_company() {
    let world = World::new(&[]).await;
    let body = json!({
        "type": "identify", "messageId": "m1", "userId": "u1",
        "timestamp": "2026-11-23T12:00:00Z",
        "traits": {"email": "ada@example.com", "name": "Ada", "plan": "pro",
            "company": {"id": "c1", "name": "Engines", "seats": 3}},
    });
    let (status, answer) = world.call("/v1/identify", &body).await;
    assert_eq!((status, answer), (200, json!({"success": true})));
    let state = world.intercom.state();
    assert_eq!(state.contacts.len(), 1, "{:?}", world.aws().dead_letter);
    let contact = &state.contacts[0];
    assert_eq!(contact.external_id.as_deref(), Some("u1"));
    assert_eq!(contact.custom_attributes["plan"], json!("pro"));
    assert_eq!(contact.companies, ["c1"]);
    assert_eq!(state.companies[0].custom_attributes["seats"], json!(3));
}
