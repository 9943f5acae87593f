//! The simulated tables against an embedded DynamoDB: every call of a run is played to it, and every answer compared.

use dynoxide::Database;
use serde_json::{Value, json};
use simulator::run::{Options, run};

#[test]
fn the_simulated_tables_answer_as_an_embedded_dynamodb_does() {
    let mut compared = 0;
    for seed in [1, 2, 3] {
        let options = Options { with_table_calls: true, ..Options::seeded(seed, 25) };
        let database = database();
        for (call, answer) in run(&options).table_calls {
            let (status, mut body) = match call.target.as_str() {
                "DynamoDB_20120810.PutItem" => answered(database.put_item(request(&call.body))),
                "DynamoDB_20120810.UpdateItem" => answered(database.update_item(request(&call.body))),
                "DynamoDB_20120810.DeleteItem" => answered(database.delete_item(request(&call.body))),
                "DynamoDB_20120810.Query" => answered(database.query(request(&call.body))),
                _ => answered(database.get_item(request(&call.body))),
            };
            // Capacity is not simulated, and messages are for people.
            let members = body.as_object_mut().unwrap();
            members.retain(|name, _| COMPARED.contains(&name.as_str()));
            let mut expected = answer.body.clone();
            expected.as_object_mut().unwrap().retain(|name, _| COMPARED.contains(&name.as_str()));
            assert_eq!((status, &body), (answer.status, &expected), "seed {seed}: {}", call.body);
            compared += 1;
        }
    }
    println!("{compared} calls answered alike");
    assert!(compared > 500);
}

const COMPARED: [&str; 4] = ["Item", "Items", "LastEvaluatedKey", "__type"];

fn answered<T: serde::Serialize>(result: Result<T, dynoxide::DynoxideError>) -> (u16, Value) {
    match result {
        Ok(answer) => (200, serde_json::to_value(answer).unwrap()),
        Err(error) => (error.status_code(), serde_json::from_str(&error.to_json()).unwrap()),
    }
}

fn request<T: for<'de> serde::Deserialize<'de>>(body: &Value) -> T {
    serde_json::from_str(&body.to_string()).unwrap()
}

fn database() -> Database {
    let database = Database::memory().unwrap();
    let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
    let string = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    let index = json!({
        "IndexName": "received", "KeySchema": [key("bucket", "HASH"), key("received_at", "RANGE")],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    });
    let of_events = ["pk", "sk", "bucket", "received_at"].map(string);
    let events = json!({
        "TableName": "events", "AttributeDefinitions": of_events, "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")], "GlobalSecondaryIndexes": [index],
    });
    let orders = json!({
        "TableName": "orders", "AttributeDefinitions": [string("pk")], "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [key("pk", "HASH")],
    });
    for table in [events, orders] {
        database.create_table(request(&table)).unwrap();
    }
    database
}
