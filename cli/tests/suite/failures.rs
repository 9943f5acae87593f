//! Failures around a command: each gives a message, a next step and an exit code.

use crate::harness::{HOOKMILL, START_MS, Scratch, events_folder, world, world_at, world_with_secrets};
use hookmill::context::Global;
use hookmill::work::sending::{Reading, case, cases};
use hookmill::{Cli, Context, Exit, Output};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use webhook::providers::SCALEV;

/// An AWS that answers every call alike.
pub(crate) async fn answering(status: u16, code: &str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let body = json!({"__type": code, "message": "from a test"}).to_string();
    let answer = format!(
        "HTTP/1.1 {status} No\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 16_384];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    endpoint
}

#[tokio::test]
async fn what_aws_refuses_has_its_exit_and_its_next_step() {
    for (status, code, exit, next) in [
        (400, "ThrottlingException", Exit::Service, "wait a little"),
        (400, "ProvisionedThroughputExceededException", Exit::Service, "wait a little"),
        (400, "ExpiredTokenException", Exit::Deployment, "sign in again"),
        (400, "AccessDeniedException", Exit::Deployment, "may not do this"),
        (400, "UnrecognizedClientException", Exit::Deployment, "does not accept"),
        (500, "InternalServerError", Exit::Service, "Try again"),
    ] {
        let endpoint = answering(status, code).await;
        for line in [
            &["events", "list", "--source", "scalev/main"][..],
            &["events", "show", "scalev/main/1/order.created/e"],
            &["orders", "list"],
            &["orders", "show", "scalev/main/1"],
        ] {
            let world = world_at(&endpoint, true);
            assert_eq!(world.run(line).await, exit, "{code} {line:?}");
            let failure: Value = serde_json::from_str(&world.notes()).unwrap();
            assert!(failure["error"].as_str().unwrap().contains(code), "{failure}");
            assert!(failure["next"].as_str().unwrap().contains(next), "{failure}");
        }
    }
}

#[tokio::test]
async fn an_unreachable_endpoint_is_reported() {
    // Nobody listens on a port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = world_at(&format!("http://{free}"), true);
    assert_eq!(world.run(&["orders", "list"]).await, Exit::Service);
    let notes = world.notes();
    assert!(notes.contains("no connection") && notes.contains("--endpoint-url"), "{notes}");
}

fn of_local(port: u16) -> Global {
    let (region, profile, endpoint_url) = Default::default();
    Global { stack: "hookmill".to_owned(), region, profile, endpoint_url, local: Some(port), json: false }
}

fn silent() -> Output {
    Output::to(false, Box::new(std::io::sink()), Box::new(std::io::sink()))
}

#[tokio::test]
async fn a_local_stack_that_is_not_there_is_reported_at_once() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let began = std::time::Instant::now();
    let error = Context::connect(&of_local(free.port()), silent()).await.unwrap_err();
    assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(
        (error.kind, error.message),
        (Exit::Service, format!("no connection: nothing listens on 127.0.0.1:{}", free.port()))
    );
    assert!(error.next.unwrap().contains("make run"));
}

#[tokio::test]
async fn a_profile_that_is_not_there_is_named() {
    let global = Global { profile: Some("nobodys".to_owned()), local: None, ..of_local(1) };
    let error = Context::connect(&global, silent()).await.unwrap_err();
    assert_eq!(error.kind, Exit::Deployment);
    assert_eq!(error.message, "there are no credentials of nobodys: your AWS settings have no such profile");
    assert!(error.next.unwrap().contains("aws configure --profile nobodys"));
}

#[tokio::test]
async fn without_the_secrets_a_source_can_be_named() {
    let world = world().await;
    assert_ne!(world.run(&["events", "list"]).await, Exit::Ok);
    assert!(world.notes().contains("name one source with --source"));
    assert_eq!(world.run(&["events", "list", "--source", "scalev/main"]).await, Exit::Ok);
}

#[tokio::test]
async fn an_unknown_source_is_reported_alike_by_all_commands() {
    let world = world_with_secrets().await;
    let plan = Scratch::new("no-plan");
    for line in [
        &["events", "list"][..],
        &["events", "tail", "--count", "1"],
        &["orders", "list"],
        &["replay"],
        &["reread", "--out", plan.path()],
        &["quarantine", "list"],
        &["forget", "--older-than", "1d"],
        &["forget", "person", "--email", "ann@example.com"],
    ] {
        let line = [line, &["--source", "scalev/nobodys"]].concat();
        assert_eq!(world.run(&line).await, Exit::NotFound, "{line:?}");
        let failure: Value = serde_json::from_str(world.notes().lines().last().unwrap()).unwrap();
        assert_eq!(failure["error"], "the stack has no source scalev/nobodys", "{line:?}");
        assert!(
            failure["next"].as_str().unwrap().contains(&format!("{HOOKMILL} sources add scalev/nobodys")),
            "{failure}"
        );
    }
    assert!(!std::path::Path::new(plan.path()).exists());
    // A source that was removed is still asked about: its events are there.
    world.keep(&SCALEV, "order.created.2026", START_MS, str::to_owned).await;
    assert_eq!(world.run(&["events", "list", "--source", "scalev/main"]).await, Exit::Ok);
}

#[test]
fn a_type_that_no_event_has_is_a_mistake() {
    for (given, expected) in [
        ("order.craeted", Some("the nearest is order.created")),
        ("ordr.*", Some("'order.*'")),
        ("order.*", None),
        ("order.created", None),
        ("other", None),
    ] {
        for line in [&["events", "list"][..], &["events", "tail"], &["replay"], &["reread"]] {
            let line = [&["hookmill"], line, &["--type", given]].concat();
            let error = <Cli as clap::Parser>::try_parse_from(&line).err().map(|error| error.to_string());
            assert_eq!(error.is_some(), expected.is_some(), "{line:?} {error:?}");
            assert!(expected.is_none_or(|words| error.unwrap_or_default().contains(words)), "{line:?}");
        }
    }
}

#[test]
fn files_that_are_not_deliveries_are_reported() {
    let folder = std::env::temp_dir().join(format!("hookmill-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("scalev")).unwrap();
    for (name, text) in [
        ("scalev/text.json", "hello"),
        ("scalev/reading.json", r#"{"specversion": "1.0"}"#),
        ("scalev/get.json", r#"{"rawPath": "/main", "requestContext": {"http": {"method": "GET"}}}"#),
        ("scalev/nameless.json", r#"{"rawPath": "/", "requestContext": {"http": {"method": "POST"}}}"#),
        ("homeless.json", r#"{"rawPath": "/main", "requestContext": {"http": {"method": "POST"}}}"#),
    ] {
        let file = folder.join(name);
        std::fs::write(&file, text).unwrap();
        let error = case(&file, &Reading::default()).unwrap_err();
        assert_eq!(error.kind, Exit::Usage, "{name}");
        assert!(error.next.is_some(), "{name}: {error}");
    }
    let named = Reading { provider: Some("scalev".parse().unwrap()), ..Reading::default() };
    assert_eq!(case(&folder.join("homeless.json"), &named).unwrap().source.to_string(), "scalev/main");
    let raw = Reading { raw: true, source: Some("scalev/main".parse().unwrap()), ..Reading::default() };
    assert_eq!(case(&folder.join("scalev/text.json"), &raw).unwrap().delivery.body, b"hello");
    assert_eq!(cases(&[folder.join("nowhere")], &named).unwrap_err().kind, Exit::Usage);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_folder_is_all_of_its_samples() {
    let all = cases(&[events_folder()], &Reading::default()).unwrap();
    assert!(all.len() >= 150, "{}", all.len());
    // Answers of a provider's API lie beside its deliveries, and are none.
    let named = Reading { source: Some("shopline/tw".parse().unwrap()), ..Reading::default() };
    let of_shopline = all.iter().filter(|case| case.source.provider.name == "shopline").count();
    assert_eq!(cases(&[events_folder().join("shopline")], &named).unwrap().len(), of_shopline);
    assert!(all.iter().all(|case| !case.delivery.headers.contains_key("host")));
}
