//! `hookmill accounts`: the credentials for the providers' own APIs.

use clap::{Args, Subcommand};
use platforms::account::{Account, Accounts};
use platforms::{PLATFORMS, Platform};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::terminal::error::{Error, Exit};
use crate::terminal::keys::read_key;
use crate::terminal::output::{Paint, dash};
use stack::known::check_known;
use stack::secret::{self, SecretName};
use stack::sources::SourceName;

/// Commands about accounts.
#[derive(Debug, Subcommand)]
pub enum AccountsCommand {
    /// List accounts, their credentials by fingerprint
    List,
    /// Set a source's account: its credential, and the shop where the API needs it
    Set(SetArgs),
    /// Remove a source's account: a dry run without --yes
    Remove(AccountRemoveArgs),
}

#[derive(Debug, Clone, Args)]
pub struct SetArgs {
    /// The source that the account is for
    #[arg(value_name = "PROVIDER/SOURCE")]
    pub name: SourceName,
    /// Take the credential from this environment variable; it is never given on the command line
    #[arg(
        long,
        value_name = "NAME",
        conflicts_with = "credential_stdin",
        required_unless_present = "credential_stdin"
    )]
    pub credential_env: Option<String>,
    /// Take the credential from standard input
    #[arg(long)]
    pub credential_stdin: bool,
    /// The shop, in the form that the provider's API takes: a handle, an id or a business
    #[arg(long, value_name = "SHOP")]
    pub shop: Option<String>,
    /// Another address of the API, such as a sandbox
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub struct AccountRemoveArgs {
    /// The source
    #[arg(value_name = "PROVIDER/SOURCE")]
    pub name: SourceName,
    /// Remove it; without it, only report what would be removed
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct AccountLine {
    /// Provider and source.
    pub account: String,
    /// The credential by fingerprint; `None` if the account cannot be used.
    pub credential: Option<String>,
    pub shop: Option<String>,
    /// The API's base URL.
    pub base_url: Option<String>,
    /// The place where such a credential is made, and the permissions that it needs.
    pub credential_from: &'static str,
    /// The defect for which it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defect: Option<String>,
    /// `held`; `set` or `removed` just now; `due` for removal in a dry run.
    pub outcome: &'static str,
}

const CALLED: &str = "the secret with the API credentials";

pub async fn run(context: &Context, command: AccountsCommand) -> Result<Exit, Error> {
    match command {
        AccountsCommand::List => list(context).await,
        AccountsCommand::Set(args) => set(context, args).await,
        AccountsCommand::Remove(args) => remove(context, args).await,
    }
}

async fn list(context: &Context) -> Result<Exit, Error> {
    let text = secret::read(context, place(context).await?).await?.text;
    let mut lines = Vec::new();
    for platform in PLATFORMS {
        lines.extend(lines_of(platform, &text)?);
    }
    context.output.list(&lines, &COLUMNS, cells)?;
    if lines.is_empty() {
        context.output.note("No account is set: hookmill accounts set PROVIDER/SOURCE");
        for platform in PLATFORMS {
            context.output.note(&format!("  {}: {}", platform.name, platform.credential_from));
        }
    }
    let defective = lines.iter().any(|line| line.defect.is_some());
    Ok(if defective { Exit::Problems } else { Exit::Ok })
}

async fn set(context: &Context, args: SetArgs) -> Result<Exit, Error> {
    let name = &args.name;
    let platform = platform(name)?;
    let from = || format!("Such a credential is from {}", platform.credential_from);
    let credential = read_key(args.credential_env.as_deref(), args.credential_stdin, "credential")
        .map_err(|error| error.next(from()))?
        .ok_or_else(|| Error::usage("no credential is given").next(from()))?;
    if args.shop.is_some() && platform.shop.is_none() {
        return Err(Error::usage(format!("the API of {} needs no shop: leave --shop out", platform.name)));
    }
    check_known(context, name).await?;
    let accept = |text: &str| match lines_of(platform, text)?.into_iter().find(|line| line.account == name.to_string())
    {
        Some(AccountLine { defect: Some(defect), .. }) => {
            let hint =
                if platform.shop.is_some() && args.shop.is_none() { " The shop is given with --shop." } else { "" };
            Err(Error::usage(format!("the account {name} would not be usable: {defect}"))
                .next(format!("Nothing was changed. {}.{hint}", from())))
        }
        Some(_) | None => Ok(()),
    };
    secret::edit(
        context,
        place(context).await?,
        |document| {
            let entry = entries(document)?.entry(name.to_string()).or_insert_with(|| json!({}));
            if !entry.is_object() {
                *entry = json!({});
            }
            let mut put = |member: &str, value: &str| {
                if let Some(entry) = entry.as_object_mut() {
                    entry.insert(member.to_owned(), Value::String(value.to_owned()));
                }
            };
            put(platform.credential, credential.reveal());
            if let (Some(member), Some(shop)) = (platform.shop, &args.shop) {
                put(member.name, shop);
            }
            if let Some(base_url) = &args.base_url {
                put("base_url", base_url);
            }
            Ok(())
        },
        accept,
    )
    .await?;
    let text = secret::read(context, place(context).await?).await?.text;
    let now = lines_of(platform, &text)?.into_iter().find(|line| line.account == name.to_string());
    let line =
        now.ok_or_else(|| Error::service(format!("the account {name} was removed by somebody else just now")))?;
    context.output.list(&[AccountLine { outcome: "set", ..line }], &COLUMNS, cells)?;
    context.output.note(&format!("{}.", from()));
    Ok(Exit::Ok)
}

async fn remove(context: &Context, args: AccountRemoveArgs) -> Result<Exit, Error> {
    let name = &args.name;
    let unknown = || {
        Error::not_found(format!("there is no account {name}"))
            .next("hookmill accounts list shows those that there are.")
    };
    let text = secret::read(context, place(context).await?).await?.text;
    let found = lines_of(platform(name)?, &text)?.into_iter().find(|line| line.account == name.to_string());
    let line = found.ok_or_else(unknown)?;
    if args.yes {
        let change = |document: &mut Map<String, Value>| {
            entries(document)?.remove(&name.to_string()).map(|_| ()).ok_or_else(unknown)
        };
        secret::edit(context, place(context).await?, change, |_| Ok(())).await?;
    }
    let outcome = if args.yes { "removed" } else { "due" };
    context.output.list(&[AccountLine { outcome, ..line }], &COLUMNS, cells)?;
    if !args.yes {
        context.output.note("Nothing was changed. To remove it: add --yes");
    }
    Ok(Exit::Ok)
}

async fn place(context: &Context) -> Result<SecretName<'_>, Error> {
    Ok(SecretName { id: context.deployment().await?.accounts_secret()?, called: CALLED })
}

fn platform(name: &SourceName) -> Result<&'static Platform, Error> {
    Platform::named(name.provider.name)
        .ok_or_else(|| Error::usage(format!("the API of {} is not known", name.provider.name)))
}

/// The accounts' own object in the secret.
fn entries(document: &mut Map<String, Value>) -> Result<&mut Map<String, Value>, Error> {
    secret::object(document, "accounts", CALLED)
}

/// The accounts of one platform; empty if the secret has no value yet.
fn lines_of(platform: &'static Platform, text: &str) -> Result<Vec<AccountLine>, Error> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let accounts = Accounts::parse(platform, text).map_err(|defect| {
        Error::problems(format!("{CALLED} cannot be used: {defect}")).next("Mend the secret by hand.")
    })?;
    let empty = |source: &str| AccountLine {
        account: format!("{}/{source}", platform.name),
        credential: None,
        shop: None,
        base_url: None,
        credential_from: platform.credential_from,
        defect: None,
        outcome: "held",
    };
    let usable = accounts.usable().map(|account: &Account| AccountLine {
        credential: Some(account.token.fingerprint()),
        shop: account.shop.clone(),
        base_url: Some(account.base.as_str().to_owned()),
        ..empty(&account.source)
    });
    let defective =
        accounts.defective().map(|(source, defect)| AccountLine { defect: Some(defect.to_string()), ..empty(source) });
    let mut lines: Vec<AccountLine> = usable.chain(defective).collect();
    lines.sort_by(|one, other| one.account.cmp(&other.account));
    Ok(lines)
}

const COLUMNS: [&str; 5] = ["outcome", "account", "credential", "shop", "API"];

fn cells(line: &AccountLine, paint: Paint) -> Vec<String> {
    let credential = match (&line.credential, &line.defect) {
        (Some(credential), _) => credential.clone(),
        (None, defect) => paint.bad(defect.as_deref().unwrap_or("cannot be used")),
    };
    let (shop, api) = (dash(line.shop.as_deref()), dash(line.base_url.as_deref()));
    vec![line.outcome.to_owned(), line.account.clone(), credential, shop, api]
}
