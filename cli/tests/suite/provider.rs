//! A provider on this machine, and the secrets that lead to it.

use platforms::Platform;
use platforms::providers::{SCALAPAY, SCALEV, SELLDONE, SHOPLINE};
use serde_json::{Map, Value, json};

use crate::harness::{World, world};

#[path = "../../../shared/platforms/tests/suite/server.rs"]
#[expect(dead_code, reason = "the platforms' own tests ask for more")]
pub(crate) mod server;

use server::{CREDENTIAL, Reply, Server};

/// The URL token of all tests; nothing that is printed may show it.
pub(crate) const TOKEN: &str = "q8Vq2b7xGkP4mZ1sW0aa22";

/// A stack with a source of each provider, and accounts whose provider is the server.
pub(crate) async fn world_with(replies: Vec<Reply>) -> (World, Server) {
    let (world, server) = (world().await, Server::start(replies));
    furnish(&world, &server);
    (world, server)
}

pub(crate) fn furnish(world: &World, server: &Server) {
    let signed = json!({"scheme": "signed", "signing_keys": ["a key of these tests alone"], "merchants": "any"});
    let by_token = json!({"scheme": "url_token", "url_tokens": [TOKEN], "merchants": "any"});
    let mut accounts = Map::new();
    for (platform, secret, name, source) in [
        (&SCALEV, "ScalevSecret", "main", &signed),
        (&SCALAPAY, "ScalapaySecret", "it", &signed),
        (&SHOPLINE, "ShoplineSecret", "tw", &by_token),
        (&SELLDONE, "SelldoneSecret", "main", &by_token),
    ] {
        world.queues.secret(secret, &json!({"sources": {name: source}}).to_string());
        accounts.insert(format!("{}/{name}", platform.name), account(platform, server));
    }
    world.queues.secret("AccountsSecret", &json!({"accounts": accounts}).to_string());
}

fn account(platform: &'static Platform, server: &Server) -> Value {
    let base = server.account(platform).base.as_str().to_owned();
    let mut account = json!({platform.credential: CREDENTIAL, "base_url": base});
    if let Some(member) = platform.shop {
        account[member.name] = json!("1");
    }
    account
}

/// Nothing that was said has a credential or a webhook's secret in it.
pub(crate) fn assert_clean(text: &str) {
    for secret in [CREDENTIAL, TOKEN, "3f9c-secret"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
