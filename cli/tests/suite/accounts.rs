//! Credentials for the providers' own APIs: set, listed without their values, removed.

use crate::harness::{HOOKMILL, world_with_secrets};
use hookmill::Exit;
use serde_json::json;

const SECRET: &str = "AccountsSecret";

/// Any variable that is set here and is long enough to be a credential.
const VARIABLE: &str = "CARGO_MANIFEST_DIR";

fn value() -> String {
    std::env::var(VARIABLE).unwrap()
}

#[tokio::test]
async fn an_account_is_set_changed_and_removed() {
    let world = world_with_secrets().await;
    let unknown = ["accounts", "set", "shopline/tw", "--credential-env", VARIABLE, "--shop", "ours"];
    assert_eq!(world.run(&unknown).await, Exit::NotFound);
    assert!(world.notes().contains(&format!("{HOOKMILL} sources add shopline/tw")), "an account is of a source");
    assert_eq!(world.vault.calls("PutSecretValue"), 0);
    world.vault.put("ShoplineSecret", &json!({"sources": {"tw": {}}}));
    assert!(world.lines(&["accounts", "list"]).await.is_empty());
    assert!(world.notes().contains("API Auth"), "where credentials are from");
    let set = ["accounts", "set", "shopline/tw", "--credential-env", VARIABLE];
    assert_eq!(world.run(&set).await, Exit::Usage);
    let notes = world.notes();
    assert!(notes.contains(r#"the account has no \"handle\""#) && notes.contains("--shop"), "{notes}");
    assert_eq!(world.vault.calls("PutSecretValue"), 0);
    let line = world.lines(&[&set[..], &["--shop", "ours"]].concat()).await.remove(0);
    assert_eq!((&line["outcome"], &line["shop"]), (&json!("set"), &json!("ours")));
    assert!(line["credential_from"].as_str().unwrap().contains("API Auth"));
    assert_eq!(world.vault.current(SECRET), json!({"accounts": {"shopline/tw": {"token": value(), "handle": "ours"}}}));
    // Set again, the shop stays as it was.
    world.lines(&[&set[..], &["--base-url", "https://sandbox.example"]].concat()).await;
    let entry = &world.vault.current(SECRET)["accounts"]["shopline/tw"];
    assert_eq!((&entry["handle"], &entry["base_url"]), (&json!("ours"), &json!("https://sandbox.example")));
    let lines = world.lines(&["accounts", "list"]).await;
    assert_eq!(lines.len(), 1);
    assert!(!json!(lines).to_string().contains(&value()));
    let remove = ["accounts", "remove", "shopline/tw"];
    assert_eq!(world.lines(&remove).await[0]["outcome"], "due");
    assert_eq!(world.lines(&[&remove[..], &["--yes"]].concat()).await[0]["outcome"], "removed");
    assert_eq!(world.vault.current(SECRET), json!({"accounts": {}}));
    assert_eq!(world.run(&remove).await, Exit::NotFound);
}

#[tokio::test]
async fn what_cannot_be_an_account_is_not_written() {
    let world = world_with_secrets().await;
    world.vault.put("ScalapaySecret", &json!({"sources": {"it": {}}}));
    for (line, expected) in [
        (&["accounts", "set", "scalapay/it", "--credential-env", VARIABLE, "--shop", "x"][..], "needs no shop"),
        (
            &["accounts", "set", "scalapay/it", "--credential-env", VARIABLE, "--base-url", "http://x.example"],
            "base_url",
        ),
        (&["accounts", "set", "scalapay/it", "--credential-env", "HOOKMILL_NOT_SET"], "is not set"),
    ] {
        assert_eq!(world.run(line).await, Exit::Usage, "{line:?}");
        let notes = world.notes();
        assert!(notes.contains(expected), "{notes}");
    }
    world.vault.put(SECRET, &json!({"accounts": {}, "ours": 1}));
    assert_eq!(world.run(&["accounts", "set", "scalapay/it", "--credential-env", VARIABLE]).await, Exit::Problems);
    assert_eq!(world.vault.calls("PutSecretValue"), 0);
    assert_eq!(world.run(&["accounts", "list"]).await, Exit::Problems);
}
