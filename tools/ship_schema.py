"""Put schema.sql into the wheel; an editable install reads it at the top of the checkout and must not get a stale copy."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ShipSchema(BuildHookInterface):  # type: ignore[type-arg]  # its configuration is not used
    """Hatchling's build hook for the wheel."""

    def initialize(  # type: ignore[explicit-override]  # 3.11 has no typing.override, and a build no typing_extensions
        self, version: str, build_data: dict[str, Any]
    ) -> None:
        """Add the file to a standard wheel only."""
        if version == "standard":
            build_data["force_include"]["schema.sql"] = "depthwalker/shell/schema.sql"
