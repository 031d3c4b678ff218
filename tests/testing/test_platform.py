"""Values of the offline router that expire."""

import weakref

from orq_router_integrations.testing.routing.platform import ExpiringDict


class Image:
    pass


def test_expired_values_are_freed_when_another_is_stored(clock):
    values, image = ExpiringDict[Image](clock), Image()
    reference = weakref.ref(image)
    values.put("first", image, seconds=60)
    del image
    clock.now += 60
    values.put("second", Image(), seconds=60)
    assert reference() is None
    assert values.get("second")
