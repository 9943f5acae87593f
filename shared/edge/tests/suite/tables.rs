//! The tables as `template.yaml` has them, and their rows, for tests of any crate over an embedded DynamoDB.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use edge::keep::item::{Item, text};

/// Creates the events table, its time index included, and the table of order views, under these names.
pub(crate) async fn create_tables(client: &aws_sdk_dynamodb::Client, events_name: &str, orders_name: &str) {
    let key =
        |name: &str, key_type| KeySchemaElement::builder().attribute_name(name).key_type(key_type).build().unwrap();
    let string = |name: &str| {
        let text = ScalarAttributeType::S;
        AttributeDefinition::builder().attribute_name(name).attribute_type(text).build().unwrap()
    };
    let index = GlobalSecondaryIndex::builder()
        .index_name("received")
        .key_schema(key("bucket", KeyType::Hash))
        .key_schema(key("received_at", KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()
        .unwrap();
    let events = client.create_table().table_name(events_name).billing_mode("PAY_PER_REQUEST".into());
    let events = events.key_schema(key("pk", KeyType::Hash)).key_schema(key("sk", KeyType::Range));
    let events = ["pk", "sk", "bucket", "received_at"]
        .iter()
        .fold(events, |table, name| table.attribute_definitions(string(name)));
    events.global_secondary_indexes(index).send().await.unwrap();
    let orders = client.create_table().table_name(orders_name).billing_mode("PAY_PER_REQUEST".into());
    orders.key_schema(key("pk", KeyType::Hash)).attribute_definitions(string("pk")).send().await.unwrap();
}

/// Rows of views without the record of announcements, which is of the way to a view, and without the etag over both.
pub(crate) fn without_announced(rows: Vec<Item>) -> Vec<Item> {
    let without = |mut row: Item| {
        let compressed = row.remove("view").unwrap().as_b().unwrap().clone().into_inner();
        let json = edge::keep::compression::decompress(&compressed).unwrap();
        let view: webhook::view::View = serde_json::from_slice(&json).unwrap();
        row.remove("etag");
        row.insert("view".to_owned(), text(&serde_json::to_string(&view).unwrap()));
        row
    };
    rows.into_iter().map(without).collect()
}
