//! Deliveries of a run: orders with their histories, repeats, races, other bodies, forgeries.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};
use webhook::claim::Strength;
use webhook::providers::Provider;

use crate::executor::START_MS;
use crate::outage::{Outage, Service};
use crate::random::Random;
use crate::rows::Hash;
use crate::samples::{OrderHistory, Template, histories};

/// Every history, read once.
pub static HISTORIES: LazyLock<Vec<OrderHistory>> = LazyLock::new(histories);

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// One in this number of genuine events has a body that needs chunks, and perhaps an event too long for a message.
const LARGE_ONE_IN: usize = 400;

/// Something that happened at a provider, as the simulator knows it, independent of what the functions make of it.
#[derive(Debug, Clone)]
pub struct Happening {
    /// The simulated order.
    pub order: u64,
    /// The strength of its name.
    pub strength: Strength,
}

/// One delivery that a provider, or somebody else, will try to make.
#[derive(Debug, Clone)]
pub struct Sending {
    /// Its number, which faults refer to.
    pub number: u64,
    /// The happening.
    pub happening: usize,
    /// The order.
    pub order: u64,
    /// The provider.
    pub provider: &'static Provider,
    /// The provider's source.
    pub source: String,
    /// The sample.
    pub template: &'static Template,
    /// The body.
    pub body: Vec<u8>,
    /// Its SHA-256.
    pub hash: Hash,
    /// The time to sign, if it is not the sample's.
    pub signed_at: Option<String>,
    /// The time of the first attempt, in milliseconds.
    pub at_ms: u64,
    /// The maximum number of attempts.
    pub attempts: u32,
    /// The kind of forgery, if it is one.
    pub forgery: Option<Forgery>,
}

/// A kind of forgery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgery {
    /// A key or token that nobody has.
    WrongCredential,
    /// None.
    NoCredential,
    /// The proof of another body.
    ForeignProof,
    /// A source that nobody registered.
    UnknownSource,
    /// A key or token that was taken away long ago.
    RevokedCredential,
}

/// The times at which a run's secrets change.
#[derive(Debug, Clone, Copy)]
pub struct Rotation {
    /// The secret has the new credential and the old one.
    pub begins_ms: u64,
    /// The providers use the new one.
    pub switches_ms: u64,
    /// The secret has the new one alone.
    pub ends_ms: u64,
}

/// A stream that forgets: the queues are down for longer than it remembers.
#[derive(Debug, Clone)]
pub struct Forgetting {
    /// The queues' outage, and shorter ones of the table at the time of the sweeps.
    pub outages: Vec<Outage>,
    /// The time at which the first sweeper starts.
    pub sweeps_from_ms: u64,
    /// The time after which none does: everything has to be swept.
    pub sweeps_to_ms: u64,
}

/// An operator's erasure.
#[derive(Debug, Clone)]
pub struct ErasurePlan {
    /// The order.
    pub order: u64,
    /// When.
    pub at_ms: u64,
    /// If given, only what was received longer ago than this goes.
    pub older_than_ms: Option<i64>,
}

impl ErasurePlan {
    /// Returns the time before which everything goes, in milliseconds since 1970, and whether nothing younger may.
    pub fn before_ms(&self) -> (i64, bool) {
        let at_ms = i64::try_from(START_MS + self.at_ms).unwrap();
        (at_ms - self.older_than_ms.unwrap_or(0), self.older_than_ms.is_some())
    }
}

/// Everything that is sent in a run.
#[derive(Debug, Clone)]
pub struct Workload {
    /// The happenings by number.
    pub happenings: Vec<Happening>,
    /// The deliveries.
    pub sendings: Vec<Sending>,
    /// The secrets' rotation.
    pub rotation: Rotation,
    /// The time after which no fault happens.
    pub calm_ms: u64,
    /// The outage that the stream does not outlast, if there is one.
    pub forgetting: Option<Forgetting>,
    /// The erasures that operators do.
    pub erasures: Vec<ErasurePlan>,
}

/// The size and kind of a workload.
#[derive(Debug, Clone)]
pub struct WorkloadShape {
    /// Orders.
    pub orders: u64,
    /// The orders that are left out, when a failure is shortened.
    pub without: Vec<u64>,
    /// If given, the only provider.
    pub provider: Option<&'static str>,
    /// The longest history, once, in its order, with nothing else: for exhaustive runs.
    pub plain: bool,
}

impl WorkloadShape {
    /// Orders of any provider.
    pub fn orders(orders: u64) -> Self {
        WorkloadShape { orders, without: Vec::new(), provider: None, plain: false }
    }

    /// One provider's longest history.
    pub fn longest(provider: &'static str) -> Self {
        WorkloadShape { orders: 1, without: Vec::new(), provider: Some(provider), plain: true }
    }
}

impl Workload {
    /// Makes a seed's workload.
    pub fn new(seed: u64, shape: &WorkloadShape) -> Self {
        let mut maker = Maker::new(seed, shape);
        let mut random = Random::new(seed, "workload");
        let span_ms = random.between(20, 180) * MINUTE_MS;
        let rotation = rotation(&mut random, span_ms);
        for order in 0..shape.orders {
            // A stream of its own, so that the others stay what they are when one is left out.
            let mut random = Random::new(seed.wrapping_add(order << 32), "order");
            maker.order(order, shape, span_ms, &rotation, &mut random);
        }
        maker.sendings.retain(|sending| !shape.without.contains(&sending.order));
        let last_ms = maker.sendings.iter().map(|sending| sending.at_ms).max().unwrap_or(0);
        let forgetting = maker.forgets.then(|| Forgetting::new(&mut random, span_ms));
        if maker.erases {
            maker.erasures.extend(erasures(&mut random, shape, last_ms));
        }
        let ends_ms = forgetting.as_ref().map_or(0, |forgetting| forgetting.outages[0].to_ms);
        let calm_ms = last_ms.max(rotation.ends_ms).max(ends_ms) + 30 * MINUTE_MS;
        let Maker { happenings, sendings, mut erasures, .. } = maker;
        erasures.retain(|plan| !shape.without.contains(&plan.order));
        Workload { happenings, sendings, rotation, calm_ms, forgetting, erasures }
    }
}

impl Forgetting {
    fn new(random: &mut Random, span_ms: u64) -> Self {
        let from_ms = random.between(0, span_ms / 2);
        let to_ms = from_ms + 30 * HOUR_MS;
        let mut outages = vec![Outage { service: Service::Queues, from_ms, to_ms }];
        // The sweepers find their way past the table's outages too: they begin two hours before the queues are back.
        for _ in 0..4 {
            let from_ms = random.between(28 * HOUR_MS, 31 * HOUR_MS);
            outages.push(Outage { service: Service::Events, from_ms, to_ms: from_ms + 15 * MINUTE_MS });
        }
        Forgetting { outages, sweeps_from_ms: 28 * HOUR_MS, sweeps_to_ms: to_ms + 7 * HOUR_MS }
    }
}

/// A third of the orders is erased, at a time at which their deliveries may still come.
fn erasures(random: &mut Random, shape: &WorkloadShape, last_ms: u64) -> Vec<ErasurePlan> {
    let mut plans = Vec::new();
    for order in 0..shape.orders {
        let (is_erased, at_ms) = (random.one_in(3), random.between(0, last_ms + HOUR_MS));
        let age_ms = *random.pick(&[None, None, Some(1_000), Some(10 * 60_000), Some(40 * 3_600_000)]);
        if is_erased {
            plans.push(ErasurePlan { order, at_ms, older_than_ms: age_ms });
        }
    }
    plans
}

fn rotation(random: &mut Random, span_ms: u64) -> Rotation {
    let begins_ms = random.between(MINUTE_MS, span_ms / 2);
    let switches_ms = begins_ms + random.between(MINUTE_MS, 20 * MINUTE_MS);
    Rotation { begins_ms, switches_ms, ends_ms: switches_ms + random.between(MINUTE_MS, 20 * MINUTE_MS) }
}

struct Maker {
    happenings: Vec<Happening>,
    sendings: Vec<Sending>,
    /// Some repeats come after days.
    long: bool,
    /// The queues are down for longer than the stream remembers.
    forgets: bool,
    /// Operators erase.
    erases: bool,
    /// Erasures that belong to a delivery.
    erasures: Vec<ErasurePlan>,
    /// The next delivery has about a megabyte.
    large: bool,
}

impl Maker {
    fn new(seed: u64, shape: &WorkloadShape) -> Self {
        let forgets = seed % 4 == 1 && !shape.plain;
        let (erases, long) = (seed % 3 == 1 && !shape.plain, seed % 4 == 3 || seed % 6 == 4);
        Maker {
            happenings: Vec::new(),
            sendings: Vec::new(),
            long,
            forgets,
            erases,
            erasures: Vec::new(),
            large: false,
        }
    }

    fn order(&mut self, order: u64, shape: &WorkloadShape, span_ms: u64, rotation: &Rotation, random: &mut Random) {
        let history = history(shape, random);
        // Some of what comes while the queues are down is remembered until they are back.
        let span_ms = if self.forgets && random.one_in(4) { 29 * HOUR_MS } else { span_ms };
        let mut at_ms = if shape.plain { 0 } else { random.between(0, span_ms) };
        let gap_ms = if shape.plain { 1_000 } else { *random.pick(&[0, 5, 2_000, MINUTE_MS, 10 * MINUTE_MS]) };
        let mut events: Vec<&'static Template> = history.events.iter().collect();
        if !shape.plain {
            if random.one_in(3) {
                random.shuffle(&mut events);
            }
            if events.len() > 12 {
                let first = random.below(events.len() - 8);
                events = events.split_off(first);
                events.truncate(12);
            }
        }
        for template in events {
            self.happenings.push(Happening { order, strength: template.strength.clone() });
            self.large = !shape.plain && random.one_in(LARGE_ONE_IN) && !self.erases;
            let genuine = self.sending(history, template, order, at_ms, None);
            self.sendings.push(genuine.clone());
            if !shape.plain {
                self.repeats(&genuine, random);
                self.other_body(&genuine, random);
                self.forged(&genuine, rotation, random);
            }
            at_ms += random.between(0, gap_ms);
        }
    }

    fn sending(
        &mut self,
        history: &OrderHistory,
        template: &'static Template,
        order: u64,
        at_ms: u64,
        variant: Option<&str>,
    ) -> Sending {
        let mut body = template.body_of(order, variant);
        if self.large {
            template.enlarge(&mut body, &mut Random::new(order, "large"));
        }
        Sending {
            number: self.number(order),
            happening: self.happenings.len() - 1,
            order,
            provider: history.provider,
            source: history.source.clone(),
            template,
            hash: Sha256::digest(&body).into(),
            body,
            signed_at: None,
            at_ms,
            attempts: 14,
            forgery: None,
        }
    }

    /// Numbers are an order's own, so that leaving another out does not change them.
    fn number(&self, order: u64) -> u64 {
        let of_order = self.sendings.iter().rev().take_while(|sending| sending.order == order).count();
        order * 1_000 + u64::try_from(of_order).unwrap()
    }

    fn again(&mut self, first: &Sending, after_ms: u64) {
        let number = self.number(first.order);
        self.sendings.push(Sending { number, at_ms: first.at_ms + after_ms, ..first.clone() });
    }

    fn repeats(&mut self, first: &Sending, random: &mut Random) {
        if random.one_in(4) {
            for _ in 0..random.between(1, 2) {
                let after_ms = *random.pick(&[0, 3, 40, 5_000, MINUTE_MS, 6 * MINUTE_MS, HOUR_MS]);
                self.again(first, after_ms);
            }
        }
        if self.long && random.one_in(12) {
            let after_ms = random.between(40, 160) * HOUR_MS;
            self.again(first, after_ms);
            self.again(first, after_ms + random.between(0, 20));
        }
        if matches!(first.strength_of(self), Strength::SignedTime(_)) && random.one_in(5) {
            let number = self.number(first.order);
            let at_ms = first.at_ms + random.between(0, HOUR_MS);
            let signed_at = Some(format!("{}", 1_700_000_000 + random.between(0, 1_000_000)));
            self.sendings.push(Sending { number, at_ms, signed_at, ..first.clone() });
        }
        if random.one_in(60)
            && let Some(last) = self.sendings.last_mut()
        {
            // A provider that hardly tries again: what it never saw answered need not be there.
            last.attempts = 1;
        }
    }

    fn other_body(&mut self, first: &Sending, random: &mut Random) {
        // If the body's hash is the name, another body is another event, which the histories have already.
        if !random.one_in(20) || first.template.ids.is_empty() || !named_without_body(first) {
            return;
        }
        let mut other = Sending { number: self.number(first.order), ..first.clone() };
        other.body = first.template.body_of(first.order, Some("other"));
        other.hash = Sha256::digest(&other.body).into();
        other.at_ms += random.between(0, 10 * MINUTE_MS);
        self.sendings.push(other);
    }

    fn forged(&mut self, genuine: &Sending, rotation: &Rotation, random: &mut Random) {
        if !random.one_in(14) {
            return;
        }
        let forgery = *random.pick(&[
            Forgery::WrongCredential,
            Forgery::NoCredential,
            Forgery::ForeignProof,
            Forgery::UnknownSource,
            Forgery::RevokedCredential,
        ]);
        let mut forged = Sending { number: self.number(genuine.order), forgery: Some(forgery), ..genuine.clone() };
        forged.body = genuine.template.body_of(genuine.order, Some("forged"));
        forged.hash = Sha256::digest(&forged.body).into();
        forged.attempts = 2;
        if forgery == Forgery::RevokedCredential {
            // A warm function may know a secret for an hour when its service is down.
            forged.at_ms = forged.at_ms.max(rotation.ends_ms) + 62 * MINUTE_MS;
        }
        self.sendings.push(forged);
    }
}

impl Sending {
    fn strength_of(&self, maker: &Maker) -> Strength {
        maker.happenings[self.happening].strength.clone()
    }
}

/// Returns true if the sample's name is made of ids alone.
fn named_without_body(sending: &Sending) -> bool {
    let case = &sending.template.case;
    match sending.provider.name {
        "scalev" => true,
        "scalapay" => ["created", "authorized", "expired"].iter().any(|word| case.starts_with(word)),
        "shopline" => sending.template.strength == Strength::Strong,
        // An order that lost its id is named by its body: nothing else distinguishes two of them.
        "selldone" => ["CheckoutOrder", "PaymentOrder"].iter().any(|word| case.contains(word)) && has_order_id(sending),
        other => panic!("say which names of {other} are made of ids alone"),
    }
}

/// Returns true if a body of Selldone's names its order.
fn has_order_id(sending: &Sending) -> bool {
    let document = webhook::json::parse(&sending.template.body).unwrap();
    document.root.at(&["basket", "id"]).is_some()
}

fn history(shape: &WorkloadShape, random: &mut Random) -> &'static OrderHistory {
    let all: &'static Vec<OrderHistory> = &HISTORIES;
    let mut providers: BTreeMap<&str, Vec<&'static OrderHistory>> = BTreeMap::new();
    for history in all.iter().filter(|history| shape.provider.is_none_or(|name| name == history.provider.name)) {
        providers.entry(history.provider.name).or_default().push(history);
    }
    let names: Vec<_> = providers.keys().copied().collect();
    let several = &providers[random.pick(&names)];
    if shape.plain {
        return several.iter().max_by_key(|history| history.events.len()).unwrap();
    }
    // Of two the longer: many a sample is the only one of its order.
    let two = [several[random.below(several.len())], several[random.below(several.len())]];
    if two[0].events.len() >= two[1].events.len() { two[0] } else { two[1] }
}
