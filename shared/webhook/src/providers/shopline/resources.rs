//! The resource of a SHOPLINE event.
//!
//! Source: the resources of open-api.docs.shoplineapp.com/docs/get-webhook, which are partial, and the full objects of
//! the same site's API pages (get-order and its neighbours), of which newer deliveries carry more.

use super::orders::{
    address, delivery_status, discounts, fulfillment, invoices, is_pickup, line, order_customer, payment, pickup,
    references, refund, return_refund, scheduled, status_times, time_slot, totals, tracking,
};
use super::parties::{app, checkout, credit, customer, points, product, stock};
use super::topics::{
    DELIVERY_STATES, ORDER_STATES, ORDER_TOPICS, PAYMENT_STATES, PAYMENT_TOPICS, RETURN_STATES, RETURN_TOPICS,
    TopicSubject,
};
use super::values::{id, money, texts, translated};
use crate::read::body_reader::Node;
use crate::read::event::Data;
use crate::read::order::{Fulfillment, Order, Payment, Return};
use crate::read::presence::{Presence, first};
use crate::read::status::{OrderState, PaymentState, ReturnState, Status, Table, Unknown, lookup, step};

/// A resource and the topic that it came under.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShoplineResource<'r, 'a> {
    pub(super) node: &'r Node<'a>,
    pub(super) topic: &'r str,
    pub(super) about: TopicSubject,
}

impl ShoplineResource<'_, '_> {
    /// The content of the event.
    pub(super) fn data(self) -> Data {
        match self.about {
            TopicSubject::Order => Data::Order(Box::new(self.order())),
            TopicSubject::Payment => Data::Payment(Box::new(self.payment())),
            TopicSubject::Fulfillment => Data::Fulfillment(Box::new(fulfillment(self.node))),
            TopicSubject::Return => Data::Return(Box::new(self.returned())),
            TopicSubject::Customer => Data::Customer(Box::new(customer(self.node))),
            TopicSubject::Credit => Data::Customer(Box::new(credit(self.node))),
            TopicSubject::Points => Data::Customer(Box::new(points(self.node))),
            TopicSubject::Product => Data::Product(Box::new(product(self.node))),
            TopicSubject::Stock => Data::Product(Box::new(stock(self.node))),
            TopicSubject::Checkout => Data::Checkout(Box::new(checkout(self.node))),
            TopicSubject::App => Data::App(Box::new(app(self.node))),
            TopicSubject::Other => Data::Other {},
        }
    }

    /// The place of the resource's status among those that it passes through, from 1; 0 if it is not given.
    pub(super) fn rank(self) -> u16 {
        match self.about {
            TopicSubject::Order => rank(ORDER_STATES, &self.order_status()),
            TopicSubject::Payment => rank(PAYMENT_STATES, &self.payment_status()),
            TopicSubject::Fulfillment => rank(DELIVERY_STATES, &delivery_status(self.node)),
            TopicSubject::Return => rank(RETURN_STATES, &self.return_status()),
            TopicSubject::Customer
            | TopicSubject::Credit
            | TopicSubject::Points
            | TopicSubject::Product
            | TopicSubject::Stock
            | TopicSubject::Checkout
            | TopicSubject::App
            | TopicSubject::Other => 0,
        }
    }

    fn order_status(self) -> Presence<Status<OrderState>> {
        self.status(ORDER_STATES, ORDER_TOPICS)
    }

    /// `payment_status` is not read: in the provider's own example it says pending beside a completed payment.
    fn payment_status(self) -> Presence<Status<PaymentState>> {
        self.status(PAYMENT_STATES, PAYMENT_TOPICS)
    }

    fn return_status(self) -> Presence<Status<ReturnState>> {
        self.status(RETURN_STATES, RETURN_TOPICS)
    }

    /// The resource's status; the topic's if the resource has none, or one in a word that no table has.
    fn status<T: Copy + Unknown + PartialEq>(self, words: Table<T>, topics: Table<T>) -> Presence<Status<T>> {
        let found = self.node.status("status", words);
        let Some(state) = lookup(topics, self.topic) else {
            return found;
        };
        match found {
            Presence::Value(status) if status.state == T::UNKNOWN => Presence::Value(Status { state, ..status }),
            Presence::Value(status) => Presence::Value(status),
            Presence::Absent | Presence::Null => Presence::Value(Status { state, word: self.topic.to_owned() }),
        }
    }

    fn order(self) -> Order {
        let node = self.node;
        Order {
            id: id(node),
            number: node.text("order_number"),
            status: self.order_status(),
            order_type: node.text("type"),
            channel: node.text("created_by"),
            store: translated(&node.get("channel"), "created_by_channel_name"),
            totals: totals(node),
            discounts: discounts(node),
            invoices: invoices(node),
            lines: node.list("subtotal_items", line).or(node.list("items", line)),
            customer: order_customer(node),
            shipping_address: node.object("delivery_address", address),
            notes: node.text("order_remarks"),
            tags: texts(node, "tags"),
            status_times: status_times(node),
            created_at: node.time("created_at"),
            updated_at: node.time("updated_at"),
            cancelled_at: node.time("cancelled_at"),
            edited_at: node.time("edited_at"),
            split_at: node.time("split_at"),
            references: references(node),
            payments: self.embedded_payment().into_iter().collect(),
            fulfillments: self.embedded_delivery().into_iter().collect(),
            ..Order::default()
        }
    }

    fn embedded_payment(self) -> Option<Payment> {
        let found = self.node.object("order_payment", payment).value().cloned()?;
        Some(Payment { order_id: id(self.node).into(), ..found })
    }

    /// The tracking number of an order's delivery is beside the delivery, not in it.
    fn embedded_delivery(self) -> Option<Fulfillment> {
        let found = self.node.object("order_delivery", fulfillment).value().cloned()?;
        let (number, url) = tracking(self.node);
        Some(Fulfillment {
            order_id: id(self.node).into(),
            tracking_number: found.tracking_number.or(number),
            tracking_url: found.tracking_url.or(url),
            pickup: found.pickup.or(pickup(self.node)),
            is_pickup: found.is_pickup.or(is_pickup(self.node)),
            scheduled_date: found.scheduled_date.or(scheduled(self.node, "scheduled_delivery_date")),
            time_slot: first(found.time_slot, time_slot(self.node)),
            ..found
        })
    }

    /// The parcel in which a return comes back; the tracking number is beside it, as in an order.
    fn parcel_back(self) -> Option<Fulfillment> {
        let found = self.embedded_delivery()?;
        Some(Fulfillment { order_id: Presence::Absent, return_id: id(self.node).into(), ..found })
    }

    fn payment(self) -> Payment {
        let is_refund = self.topic == "order_payment/refund";
        Payment {
            status: self.payment_status(),
            refunds: is_refund.then(|| refund(self.node)).flatten().into_iter().collect(),
            ..payment(self.node)
        }
    }

    fn returned(self) -> Return {
        Return {
            id: id(self.node),
            number: self.node.text("return_order_number"),
            // A till's return names its order otherwise.
            order_id: first(
                self.node.text("order_id"),
                first(
                    self.node.object("order", |order| id(order).into()).flatten(),
                    self.node.text("return_from_order_id"),
                ),
            ),
            order_number: self.node.object("order", |order| order.text("order_number")).flatten(),
            refunds: return_refund(self.node).into_iter().collect(),
            status: self.return_status(),
            inspection: self.node.text("inspect_status"),
            credit: money(self.node, "applied_user_credits"),
            points: money(self.node, "applied_member_point_redeem_to_cash"),
            fulfillments: self.parcel_back().into_iter().collect(),
            customer: order_customer(self.node),
            lines: self.node.list("items", line),
            total: money(self.node, "total"),
            created_at: self.node.time("created_at"),
            updated_at: self.node.time("updated_at"),
            ..Return::default()
        }
    }
}

/// The step of a status: that of its word, else of the state that its topic gave it.
fn rank<T: PartialEq>(words: Table<T>, status: &Presence<Status<T>>) -> u16 {
    let of_state = |state: &T| words.iter().find(|(_, known)| known == state).map_or(0, |(word, _)| step(words, word));
    status.value().map_or(0, |status| of_state(&status.state))
}
