//! Sources, and changes of a secret by two operators at once.

use crate::harness::{HOOKMILL, KEY, World, world_with_secrets};
use crate::vault::Vault;
use hookmill::Exit;
use serde_json::{Value, json};
use webhook::providers::SCALEV;
use webhook::scheme::SchemeName;
use webhook::secret::{QuarantineKey, Secret};

const SELLDONE: &str = "SelldoneSecret";
const SCALEV_SECRET: &str = "ScalevSecret";

fn entry(keys: &[&str]) -> Value {
    json!({"scheme": "signed", "signing_keys": keys, "url_tokens": [], "merchants": "any"})
}

fn names(vault: &Vault, secret: &str) -> Vec<String> {
    let mut names: Vec<String> = vault.current(secret)["sources"].as_object().unwrap().keys().cloned().collect();
    names.sort();
    names
}

const ADD: [&str; 4] = ["sources", "add", "selldone/main", "--any-merchant"];

async fn error(world: &World, line: &[&str], exit: Exit) -> String {
    world.notes();
    assert_eq!(world.run(line).await, exit, "{line:?}");
    world.notes()
}

#[tokio::test]
async fn a_source_is_added_to_an_empty_secret() {
    let world = world_with_secrets().await;
    let added = world.lines(&["sources", "add", "selldone/main", "--merchant", "1", "--merchant", "2"]).await.remove(0);
    let url = added["url"].as_str().unwrap();
    let token = url.split("/_aws/lambda-url/selldone/main/").nth(1).unwrap();
    assert_eq!((token.len(), &added["fingerprint"]), (43, &json!(Secret::new(token).fingerprint())));
    assert!(added["steps"].as_array().unwrap().iter().any(|step| step.as_str().unwrap().contains(url)), "{added}");
    let current = world.vault.current(SELLDONE);
    let expected = json!({"scheme": "url_token", "url_tokens": [token], "merchants": ["1", "2"]});
    assert_eq!(current["sources"]["main"], expected);
    assert!(QuarantineKey::from_text(current["quarantine_key"].as_str().unwrap()).is_some());
    assert!(world.vault.own_labels(SELLDONE).is_empty());
    // The name is taken now.
    let message = error(&world, &ADD, Exit::Problems).await;
    assert!(message.contains("has a source selldone/main already"), "{message}");
    assert_eq!(world.vault.current(SELLDONE), current);
}

#[tokio::test]
async fn other_members_of_a_secret_stay() {
    let world = world_with_secrets().await;
    let before = json!({"sources": {"eu": {"anything": [1, -2.5]}}, "quarantine_key": "mistyped", "ours": {"x": null}});
    world.vault.put(SELLDONE, &before);
    world.lines(&ADD).await;
    let mut after = world.vault.current(SELLDONE);
    assert!(after["sources"].as_object_mut().unwrap().remove("main").is_some());
    assert_eq!(after, before);
    assert_eq!(world.vault.under(SELLDONE, "AWSPREVIOUS").unwrap(), before);
    assert!(world.notes().contains("quarantine_key in the secret of selldone is not"));
}

#[tokio::test]
async fn two_operators_at_once_lose_nothing() {
    let world = world_with_secrets().await;
    world.vault.put(SELLDONE, &json!({"sources": {}}));
    // Another one changes the secret before our label is moved, three times over.
    let mut times = 0;
    world.vault.meanwhile(move |action, secrets| {
        if action == "UpdateSecretVersionStage" && times < 3 {
            times += 1;
            let others: Vec<String> =
                (0..times).map(|number| format!(r#""other-{number}": {{"their": "own"}}"#)).collect();
            secrets.put(SELLDONE, &format!(r#"{{"sources": {{{}}}}}"#, others.join(",")));
        }
    });
    world.lines(&ADD).await;
    assert_eq!(names(&world.vault, SELLDONE), ["main", "other-0", "other-1", "other-2"]);
    assert!(world.vault.own_labels(SELLDONE).is_empty());
}

#[tokio::test]
async fn the_first_value_of_a_secret_is_no_exception() {
    let world = world_with_secrets().await;
    let mut first = true;
    world.vault.meanwhile(move |action, secrets| {
        if action == "PutSecretValue" && std::mem::take(&mut first) {
            secrets.put(SELLDONE, r#"{"sources": {"theirs": {}}}"#);
        }
    });
    world.lines(&ADD).await;
    assert_eq!(names(&world.vault, SELLDONE), ["main", "theirs"]);
}

#[tokio::test]
async fn who_is_always_outrun_gives_up_and_says_so() {
    let mut world = world_with_secrets().await;
    world.without_pauses();
    let mut number = 0;
    world.vault.meanwhile(move |action, secrets| {
        if action == "PutSecretValue" {
            number += 1;
            secrets.put(SELLDONE, &format!(r#"{{"sources": {{"other-{number}": {{}}}}}}"#));
        }
    });
    let message = error(&world, &ADD, Exit::Service).await;
    assert!(message.contains("changed by somebody else each time") && message.contains("run it again"), "{message}");
    assert!(!names(&world.vault, SELLDONE).contains(&"main".to_owned()));
}

#[tokio::test]
async fn a_lost_answer_is_no_second_change() {
    let world = world_with_secrets().await;
    world.vault.put(SELLDONE, &json!({"sources": {}}));
    world.vault.lose("UpdateSecretVersionStage");
    world.lines(&ADD).await;
    assert_eq!(names(&world.vault, SELLDONE), ["main"]);
    assert_eq!(world.vault.calls("PutSecretValue"), 1);
}

#[tokio::test]
async fn what_the_receivers_would_not_load_is_not_written() {
    let world = world_with_secrets().await;
    for (secret, line, why) in [
        (r#"{"sources": []}"#, &ADD[..], "is not a JSON object"),
        ("no JSON", &ADD, "it is not JSON"),
        (r#"{"sources": {}, "sources": {}}"#, &ADD, "a name is in it twice"),
        ("{}", &["sources", "add", "selldone/main", "--merchant", ""], "the list of merchants is empty"),
    ] {
        world.vault.put_text(SELLDONE, secret);
        let calls = world.vault.calls("PutSecretValue");
        let message = error(&world, line, Exit::Problems).await;
        assert!(message.contains(why), "{message}");
        assert_eq!(world.vault.calls("PutSecretValue"), calls, "{secret}");
    }
    world.vault.refuse("PutSecretValue", "AccessDeniedException");
    world.vault.put(SELLDONE, &json!({"sources": {}}));
    let message = error(&world, &ADD, Exit::Deployment).await;
    assert!(message.contains("cannot change the secret of selldone"), "{message}");
}

#[tokio::test]
async fn an_incomplete_line_names_what_is_missing() {
    let world = world_with_secrets().await;
    for (line, next) in [
        (&["sources", "add", "scalev/main", "--any-merchant"][..], "--key-env NAME"),
        (&["sources", "add", "shopline/tw", "--any-merchant"], "--scheme url-token"),
        (&["sources", "add", "scalev/main", "--any-merchant", "--scheme", "url-token"], "It has: signed"),
        (&["sources", "add", "scalev/main", "--any-merchant", "--key-env", "HOOKMILL_NOT_SET"], "is not set"),
    ] {
        let message = error(&world, line, Exit::Usage).await;
        assert!(message.contains(next), "{message}");
    }
    let message = error(&world, &["sources", "rotate", "scalev/none"], Exit::NotFound).await;
    assert!(message.contains("no source scalev/none"), "{message}");
}

#[tokio::test]
async fn merchants_are_asked_for_where_deliveries_name_them() {
    let world = world_with_secrets().await;
    for platform in platforms::PLATFORMS {
        let source = format!("{}/x", platform.name);
        let scheme = if platform.set_up.len() > 1 { &["--scheme", "url-token"][..] } else { &[] };
        let signs = platform.set_up[0].scheme == SchemeName::Signed && scheme.is_empty();
        // A variable that is long enough for a key.
        let key = if signs { &["--key-env", "PATH"][..] } else { &[] };
        let add = [&["sources", "add", &source][..], scheme, key].concat();
        let with = [&add[..], &["--merchant", "1"]].concat();
        if platform.names_merchant {
            let message = error(&world, &add, Exit::Usage).await;
            assert!(message.contains("--merchant ID") && message.contains("--any-merchant"), "{message}");
            world.lines(&with).await;
        } else {
            let message = error(&world, &with, Exit::Usage).await;
            assert!(
                message.contains("--merchant can check nothing") && message.contains("--any-merchant"),
                "{message}"
            );
            world.lines(&add).await;
        }
    }
}

#[tokio::test]
async fn steps_are_commands_where_the_tool_can_do_it() {
    let world = world_with_secrets().await;
    for platform in platforms::PLATFORMS.into_iter().filter(|platform| platform.by_hand.is_none()) {
        let source = format!("{}/x", platform.name);
        let scheme = if platform.set_up.len() > 1 { &["--scheme", "url-token"][..] } else { &[] };
        let added = world.lines(&[&["sources", "add", &source, "--any-merchant"], scheme].concat()).await.remove(0);
        let steps = added["steps"].to_string();
        assert!(steps.contains(&format!("{HOOKMILL} subscriptions create --source {source}")), "{steps}");
        assert!(
            steps.contains(&format!("{HOOKMILL} accounts set {source}")) && !steps.contains("POST https"),
            "{steps}"
        );
        assert!(steps.contains("y hand"), "{steps}");
        let steps = world.lines(&["sources", "rotate", &source]).await.remove(0)["steps"].to_string();
        assert!(steps.contains("y hand"), "{steps}");
        assert!(
            steps.contains(&format!("update ID --source {source} --yes")) && !steps.contains("PUT https"),
            "{steps}"
        );
    }
}

#[tokio::test]
async fn sources_are_listed_without_their_keys() {
    let world = world_with_secrets().await;
    let secret = json!({"sources": {"main": entry(&["the first key of it", KEY]), "weak": entry(&["short"])}});
    world.vault.put(SCALEV_SECRET, &secret);
    let lines = world.lines(&["sources", "list"]).await;
    assert_eq!(lines.len(), 2);
    let prints = [Secret::new("the first key of it").fingerprint(), Secret::new(KEY).fingerprint()];
    assert_eq!(lines[0]["keys"], json!(prints));
    assert_eq!(lines[0]["scheme"], "signed");
    assert!(lines[0]["url"].as_str().unwrap().ends_with("/_aws/lambda-url/scalev/main"), "{}", lines[0]);
    assert_eq!(lines[1]["defect"], "a credential is empty, too short or publicly known");
    assert!(!json!(lines).to_string().contains(KEY) && !json!(lines).to_string().contains("short\""));
    assert_eq!(world.run(&["sources", "list", "--source", "scalev/weak"]).await, Exit::Problems);
    assert_eq!(world.run(&["sources", "list", "--source", "scalev/none"]).await, Exit::NotFound);
}

#[tokio::test]
async fn a_key_is_rotated_in_two_steps() {
    let world = world_with_secrets().await;
    let now_ms = world.context.clock.now_ms();
    let (status, finish) =
        (["sources", "rotate", "scalev/main", "--status"], ["sources", "rotate", "scalev/main", "--finish"]);
    let used = async |world: &World| {
        let lines = world.lines(&status).await;
        lines.iter().map(|line| line["used"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // Two keys, the events came by the old one, and that four days ago.
    world.vault.put(SCALEV_SECRET, &json!({"sources": {"main": entry(&["the new key, unused yet", KEY])}}));
    world.keep(&SCALEV, "order.created.2026", now_ms - 4 * 86_400_000, str::to_owned).await;
    assert_eq!(used(&world).await, ["not known", "not known"]);
    let message = error(&world, &finish, Exit::Problems).await;
    assert!(message.contains("is not known: no delivery came by the new one"), "{message}");
    // One lately: it is still used.
    world.keep(&SCALEV, "order.status_changed.2026", now_ms - 86_400_000, str::to_owned).await;
    assert_eq!(used(&world).await, ["not known", "in use"]);
    let message = error(&world, &finish, Exit::Problems).await;
    assert!(message.contains("is still used: the last delivery by it came at"), "{message}");
    assert_eq!(world.vault.calls("PutSecretValue"), 0);
    // The other way round the old one is out of use.
    world.vault.put(SCALEV_SECRET, &json!({"sources": {"main": entry(&[KEY, "the old key, unused now"])}}));
    assert_eq!(used(&world).await, ["in use", "no longer used"]);
    let lines = world.lines(&finish).await;
    assert_eq!((&lines[1]["place"], &lines[1]["used"]), (&json!("old"), &json!("removed")));
    assert_eq!(world.vault.current(SCALEV_SECRET)["sources"]["main"]["signing_keys"], json!([KEY]));
    // Nothing is left to finish; and whoever insists may.
    assert_eq!(world.lines(&finish).await.len(), 1);
    world.vault.put(SCALEV_SECRET, &json!({"sources": {"main": entry(&["the new key, unused yet", KEY])}}));
    world.lines(&["sources", "rotate", "scalev/main", "--finish", "--anyway"]).await;
    let kept = &world.vault.current(SCALEV_SECRET)["sources"]["main"]["signing_keys"];
    assert_eq!(kept, &json!(["the new key, unused yet"]));
}

#[tokio::test]
async fn a_new_token_comes_before_the_old_one() {
    let world = world_with_secrets().await;
    world.lines(&ADD).await;
    let old = world.vault.current(SELLDONE)["sources"]["main"]["url_tokens"][0].clone();
    let begun = world.lines(&["sources", "rotate", "selldone/main"]).await.remove(0);
    let tokens = world.vault.current(SELLDONE)["sources"]["main"]["url_tokens"].clone();
    assert_eq!((tokens.as_array().unwrap().len(), &tokens[1]), (2, &old));
    assert!(begun["url"].as_str().unwrap().ends_with(tokens[0].as_str().unwrap()), "{begun}");
    assert_eq!(begun["keys"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_source_is_removed_when_that_is_said() {
    let world = world_with_secrets().await;
    world.vault.put(SCALEV_SECRET, &json!({"sources": {"main": entry(&[KEY]), "apps": entry(&[KEY])}}));
    world.keep(&SCALEV, "order.created.2026", world.context.clock.now_ms() - 1_000, str::to_owned).await;
    let remove = ["sources", "remove", "scalev/main"];
    let due = world.lines(&remove).await.remove(0);
    assert_eq!((&due["outcome"], &due["events"]), (&json!("due"), &json!(1)));
    assert_eq!(names(&world.vault, SCALEV_SECRET), ["apps", "main"]);
    let removed = world.lines(&[remove[0], remove[1], remove[2], "--yes"]).await.remove(0);
    assert_eq!(removed["outcome"], "removed");
    assert_eq!(names(&world.vault, SCALEV_SECRET), ["apps"]);
    assert_eq!(world.lines(&["events", "list", "--source", "scalev/main"]).await.len(), 1, "what was kept stays");
    assert_eq!(world.run(&remove).await, Exit::NotFound);
}
