//! Who names a prefix: one sorted list, a few bytes a service.

use ipnetwork::IpNetwork;

use super::services::ServiceId;

#[derive(Debug, Default)]
pub(super) struct Claims(Vec<(IpNetwork, ServiceId)>);

impl Claims {
    pub fn of(mut claims: Vec<(IpNetwork, ServiceId)>) -> Claims {
        claims.sort_unstable();
        claims.shrink_to_fit();
        Claims(claims)
    }

    /// The services that name this prefix.
    pub fn on(&self, prefix: IpNetwork) -> impl Iterator<Item = ServiceId> + Clone + '_ {
        let first = self.0.partition_point(|(claimed, _)| *claimed < prefix);
        let rest = self.0[first..].iter();
        rest.take_while(move |(claimed, _)| *claimed == prefix)
            .map(|(_, id)| *id)
    }

    pub fn any_on(&self, prefix: IpNetwork) -> bool {
        self.on(prefix).next().is_some()
    }

    /// Every claimed prefix, once for each claim.
    #[cfg(test)]
    pub fn prefixes(&self) -> impl Iterator<Item = IpNetwork> {
        self.0.iter().map(|(prefix, _)| *prefix)
    }
}
