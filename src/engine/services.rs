//! The services, each in a place of its own with a number, and the order in which the configuration has them.

use super::service::Service;

/// A service as long as the configuration holds it. Numbers of removed services are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ServiceId(u32);

#[derive(Debug, Default)]
pub(super) struct Services {
    places: Vec<Option<Service>>,
    /// Free ones among them.
    vacant: Vec<ServiceId>,
    /// In the order of the configuration.
    pub order: Vec<ServiceId>,
}

impl Services {
    pub fn get(&self, id: ServiceId) -> Option<&Service> {
        self.places.get(id.0 as usize)?.as_ref()
    }

    pub fn get_mut(&mut self, id: ServiceId) -> Option<&mut Service> {
        self.places.get_mut(id.0 as usize)?.as_mut()
    }

    /// Makes room for so many, and no more.
    pub fn expect(&mut self, count: usize) {
        self.places.reserve_exact(count);
        self.order.reserve_exact(count);
    }

    /// Gives a service a place. Its order is the caller's.
    pub fn put(&mut self, service: Service) -> ServiceId {
        match self.vacant.pop() {
            Some(id) => {
                self.places[id.0 as usize] = Some(service);
                id
            }
            None => {
                self.places.push(Some(service));
                ServiceId((self.places.len() - 1) as u32)
            }
        }
    }

    pub fn take(&mut self, id: ServiceId) -> Option<Service> {
        let service = self.places.get_mut(id.0 as usize)?.take()?;
        self.vacant.push(id);
        Some(service)
    }

    /// All of them, in no order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Service> {
        self.places.iter_mut().flatten()
    }

    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = &Service> {
        self.places.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Announce;
    use crate::config::fixture::service_config;
    use crate::time::Mono;

    /// A configuration that is read again for years takes no more memory for that.
    #[test]
    fn places_are_used_again() {
        let config = std::rc::Rc::new(service_config("a", &["192.0.2.1/32"]));
        let service = || Service::new(config.clone(), Announce::Keep, Mono::from_micros(1));
        let mut services = Services::default();
        let (first, second) = (services.put(service()), services.put(service()));
        assert!(services.take(first).is_some() && services.take(first).is_none());
        assert_eq!(services.put(service()), first);
        assert!(![first, second].contains(&services.put(service())));
    }
}
