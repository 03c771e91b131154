"""Buckets keep what every store keeps, on every server that can be had here."""

from pathlib import Path

import pytest
from tests.servers.running import Endpoint
from tests.store.contract import StoreContract

from holdfast.store.objects.store import ObjectStore


class TestMoto(StoreContract):
    """S3's answers, as moto gives them."""

    @pytest.fixture
    def store(self, moto: Endpoint, tmp_path: Path) -> ObjectStore:
        """Return an empty store."""
        return moto.store(moto.make_bucket(), tmp_path)
