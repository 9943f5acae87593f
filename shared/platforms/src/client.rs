//! The calls that several providers have, whichever it is.

use crate::account::Account;
use crate::address::Address;
use crate::error::{Cause, Error};
use crate::order::Order;
use crate::platform::Platform;
use crate::providers::{OrderKind, Scalapay, Scalev, Selldone, Shopline};
use crate::subscription::{Created, Subscription};
use crate::transport::Settings;

/// An account's API.
#[derive(Debug)]
pub enum Client {
    /// SHOPLINE's.
    Shopline(Shopline),
    /// Selldone's.
    Selldone(Selldone),
    /// Scalapay's.
    Scalapay(Scalapay),
    /// Scalev's.
    Scalev(Scalev),
}

impl Client {
    /// The API of an account.
    pub fn new(account: &Account, settings: Settings) -> Result<Self, Error> {
        Ok(match account.platform.name {
            "shopline" => Client::Shopline(Shopline::new(account, settings)?),
            "selldone" => Client::Selldone(Selldone::new(account, settings)?),
            "scalapay" => Client::Scalapay(Scalapay::new(account, settings)?),
            "scalev" => Client::Scalev(Scalev::new(account, settings)?),
            other => {
                return Err(Error::unsent(other, "make a client", Cause::Argument { what: "the provider's name" }));
            }
        })
    }

    /// Whose it is.
    pub fn platform(&self) -> &'static Platform {
        match self {
            Client::Shopline(_) => &crate::providers::SHOPLINE,
            Client::Selldone(_) => &crate::providers::SELLDONE,
            Client::Scalapay(_) => &crate::providers::SCALAPAY,
            Client::Scalev(_) => &crate::providers::SCALEV,
        }
    }

    /// All webhooks that are registered.
    pub async fn subscriptions(&self) -> Result<Vec<Subscription>, Error> {
        match self {
            Client::Shopline(shopline) => shopline.webhooks().await,
            Client::Selldone(selldone) => selldone.webhooks().await,
            Client::Scalapay(_) | Client::Scalev(_) => Err(self.not_offered("list webhooks")),
        }
    }

    /// The webhook of this id. Selldone's API reads none alone, so there it is looked up in the list.
    pub async fn subscription(&self, id: &str) -> Result<Subscription, Error> {
        match self {
            Client::Shopline(shopline) => shopline.webhook(id).await,
            Client::Selldone(selldone) => {
                let found = selldone.webhooks().await?.into_iter().find(|one| one.id == id);
                found.ok_or(Error { attempts: 1, ..self.unsent("read webhook", Cause::NotFound) })
            }
            Client::Scalapay(_) | Client::Scalev(_) => Err(self.not_offered("read webhook")),
        }
    }

    /// Registers our address for topics: at SHOPLINE all in one webhook, at Selldone each in its own.
    ///
    /// Nothing is tried after a failure, and nothing is taken back: what was made is told beside it.
    pub async fn subscribe(&self, to: &Address, topics: &[String]) -> Created {
        let mut created = Created { done: Vec::new(), failed: None };
        match self {
            Client::Shopline(shopline) => match shopline.create(to, topics, None).await {
                Ok(made) => created.done.push(made),
                Err(error) => created.failed = Some((topics.join(", "), error)),
            },
            Client::Selldone(selldone) => {
                for topic in topics {
                    match selldone.create(to, topic).await {
                        Ok(made) => created.done.push(made),
                        Err(error) => {
                            created.failed = Some((topic.clone(), error));
                            break;
                        }
                    }
                }
            }
            Client::Scalapay(_) | Client::Scalev(_) => {
                created.failed = Some((topics.join(", "), self.not_offered("create webhook")));
            }
        }
        created
    }

    /// Changes where a webhook goes and what it is for; at Selldone it is for exactly one topic.
    pub async fn resubscribe(&self, id: &str, to: &Address, topics: &[String]) -> Result<Subscription, Error> {
        match (self, topics) {
            (Client::Shopline(shopline), _) => shopline.update(id, to, topics, None).await,
            (Client::Selldone(selldone), [topic]) => selldone.update(id, to, topic).await,
            (Client::Selldone(_), _) => {
                let what = "a webhook for none or several topics, since Selldone's are for one each,";
                Err(self.unsent("update webhook", Cause::Argument { what }))
            }
            (Client::Scalapay(_) | Client::Scalev(_), _) => Err(self.not_offered("update webhook")),
        }
    }

    /// Removes a webhook.
    pub async fn unsubscribe(&self, id: &str) -> Result<(), Error> {
        match self {
            Client::Shopline(shopline) => shopline.delete(id).await,
            Client::Selldone(selldone) => selldone.delete(id).await,
            Client::Scalapay(_) | Client::Scalev(_) => Err(self.not_offered("delete webhook")),
        }
    }

    /// An order by the id that webhooks name it by; at Selldone an online order's.
    /// At Scalev that is its number, which is searched for.
    pub async fn order(&self, id: &str) -> Result<Order, Error> {
        match self {
            Client::Shopline(shopline) => shopline.order(id).await,
            Client::Selldone(selldone) => selldone.order(OrderKind::Online, id).await,
            Client::Scalapay(scalapay) => scalapay.payment(id).await,
            Client::Scalev(scalev) => {
                let found = scalev.order_by_number(id).await?;
                found.ok_or(Error { attempts: 1, ..self.unsent("find order", Cause::NotFound) })
            }
        }
    }

    fn not_offered(&self, operation: &'static str) -> Error {
        let instead = self.platform().by_hand.unwrap_or("Do it in the provider's back office.");
        self.unsent(operation, Cause::NotOffered { instead })
    }

    fn unsent(&self, operation: &'static str, cause: Cause) -> Error {
        Error::unsent(self.platform().name, operation, cause)
    }
}
