//! The records of the canonical event: plain data whose members are left out of the JSON while they say nothing.

use std::collections::BTreeMap;

use crate::read::presence::Presence;

/// Defines a record, each of whose fields is optional in JSON.
macro_rules! record {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[serde(default, skip_serializing_if = "crate::read::contract::Silent::is_silent")]
                pub $field: $type,
            )*
        }
    };
}
pub(crate) use record;

/// Values that an event may leave out, so that nothing is printed for them.
pub(crate) trait Silent {
    fn is_silent(&self) -> bool;
}

impl<T> Silent for Presence<T> {
    fn is_silent(&self) -> bool {
        self.is_absent()
    }
}

impl<T> Silent for Option<T> {
    fn is_silent(&self) -> bool {
        self.is_none()
    }
}

impl<T> Silent for Vec<T> {
    fn is_silent(&self) -> bool {
        self.is_empty()
    }
}

impl<K, V> Silent for BTreeMap<K, V> {
    fn is_silent(&self) -> bool {
        self.is_empty()
    }
}
