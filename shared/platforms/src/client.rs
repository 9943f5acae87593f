//! The calls that an account's API may offer, the same for every provider.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use jiff::civil::Date;

use crate::address::WebhookAddress;
use crate::error::{ApiError, Cause};
use crate::order::{Cursor, FetchedOrder, OrderName, Page, RefundRow, Window};
use crate::platform::Platform;
use crate::subscription::{Created, Subscription};

/// A call under way.
pub type Calling<'a, T> = Pin<Box<dyn Future<Output = Result<T, ApiError>> + Send + 'a>>;

/// An account's API. A call that a provider does not implement is refused with [`Cause::NotOffered`] and nothing is
/// sent, so that a new provider offers only what somebody wrote for it.
pub trait Client: Debug + Send + Sync {
    /// Returns whose it is.
    fn platform(&self) -> &'static Platform;

    /// Lists all webhooks that are registered.
    fn subscriptions(&self) -> Calling<'_, Vec<Subscription>> {
        refused(self.platform(), "list webhooks")
    }

    /// Reads the webhook of this id; an API that reads none alone has it in its list.
    fn subscription<'a>(&'a self, id: &'a str) -> Calling<'a, Subscription> {
        Box::pin(async move {
            let found = self.subscriptions().await?.into_iter().find(|one| one.id == id);
            found.ok_or_else(|| ApiError {
                attempts: 1,
                ..ApiError::unsent(self.platform().name, "read webhook", Cause::NotFound)
            })
        })
    }

    /// Registers one webhook for these topics, as many as [`Platform::several_topics`] allows.
    fn create<'a>(&'a self, _to: &'a WebhookAddress, _topics: &'a [String]) -> Calling<'a, Subscription> {
        refused(self.platform(), "create webhook")
    }

    /// Changes where a webhook goes and what it is for.
    fn update<'a>(&'a self, _id: &'a str, _to: &'a WebhookAddress, _topics: &'a [String]) -> Calling<'a, Subscription> {
        refused(self.platform(), "update webhook")
    }

    /// Removes a webhook.
    fn delete<'a>(&'a self, _id: &'a str) -> Calling<'a, ()> {
        refused(self.platform(), "delete webhook")
    }

    /// Reads an order by the id that webhooks name it by.
    fn order<'a>(&'a self, _name: &'a OrderName) -> Calling<'a, FetchedOrder> {
        refused(self.platform(), "read order")
    }

    /// Reads a page of one of [`Platform::order_lists`], by time of change; without a cursor the first.
    fn orders<'a>(
        &'a self,
        _list: &'static str,
        _window: Window,
        _cursor: Option<&'a Cursor>,
    ) -> Calling<'a, Page<FetchedOrder>> {
        refused(self.platform(), "list orders")
    }

    /// Reads the refunds that the provider accounts for on these days, from all its reports.
    fn refunds(&self, _from: Date, _to: Date) -> Calling<'_, Vec<RefundRow>> {
        refused(self.platform(), "report refunds")
    }

    /// Returns the refunds among some that are certainly of this order.
    fn refunds_of<'r>(&self, _rows: &'r [RefundRow], _order: &FetchedOrder) -> Vec<&'r RefundRow> {
        Vec::new()
    }
}

impl dyn Client {
    /// Registers our address for topics, in as many webhooks as the provider needs for them.
    ///
    /// Nothing is tried after a failure, and nothing is undone: what was created is returned beside it.
    pub async fn subscribe(&self, to: &WebhookAddress, topics: &[String]) -> Created {
        let mut created = Created { done: Vec::new(), failed: None };
        let several = if self.platform().several_topics { topics.len() } else { 1 };
        for some in topics.chunks(several.max(1)) {
            match self.create(to, some).await {
                Ok(made) => created.done.push(made),
                Err(error) => {
                    created.failed = Some((some.join(", "), error));
                    break;
                }
            }
        }
        created
    }

    /// Changes where a webhook goes and what it is for, if one webhook can be for all these topics.
    pub async fn resubscribe(
        &self,
        id: &str,
        to: &WebhookAddress,
        topics: &[String],
    ) -> Result<Subscription, ApiError> {
        let platform = self.platform();
        if !platform.several_topics && platform.by_hand.is_none() && topics.len() != 1 {
            let what = "a webhook for none or several topics, where each is for one,";
            return Err(ApiError::unsent(platform.name, "update webhook", Cause::Argument { what }));
        }
        self.update(id, to, topics).await
    }
}

/// Refuses a call, with how it is done instead.
fn refused<T: Send + 'static>(platform: &Platform, operation: &'static str) -> Calling<'static, T> {
    let instead = platform.by_hand.unwrap_or("Do it in the provider's back office.");
    let error = ApiError::unsent(platform.name, operation, Cause::NotOffered { instead });
    Box::pin(std::future::ready(Err(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::SCALEV;

    /// A provider for which nobody has written a call.
    #[derive(Debug)]
    struct Nothing;

    impl Client for Nothing {
        fn platform(&self) -> &'static Platform {
            &SCALEV
        }
    }

    #[tokio::test]
    async fn what_nobody_wrote_is_not_offered() {
        let client: &dyn Client = &Nothing;
        let (to, topics) = (WebhookAddress::new("https://a.example/x"), ["a".to_owned()]);
        let name = OrderName { id: "1".to_owned(), kind: None };
        let window = Window { after: jiff::Timestamp::UNIX_EPOCH, before: None };
        let day = Date::constant(2026, 1, 1);
        let errors = [
            client.subscriptions().await.unwrap_err(),
            client.subscription("1").await.unwrap_err(),
            client.subscribe(&to, &topics).await.failed.unwrap().1,
            client.resubscribe("1", &to, &topics).await.unwrap_err(),
            client.delete("1").await.unwrap_err(),
            client.order(&name).await.unwrap_err(),
            client.orders("", window, None).await.unwrap_err(),
            client.refunds(day, day).await.unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error.cause, Cause::NotOffered { .. }) && error.attempts == 0, "{error}");
        }
    }
}
