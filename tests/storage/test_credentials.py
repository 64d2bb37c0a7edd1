from __future__ import annotations

import pytest

from sparksweep.errors import StorageError
from sparksweep.storage import AzureCredentials, hadoop_configuration, read_credentials

KEY = "a2V5IG9mIGRldmljZXM="
SAS = "sv=2024-11-04&sp=rl&sig=c2lnbmF0dXJl%3D"
LAKE = "devices.dfs.core.windows.net"
BLOBS = "devices.blob.core.windows.net"

CONNECTION = (
    f"DefaultEndpointsProtocol=https;AccountName=devices;AccountKey={KEY};EndpointSuffix=core.windows.net"
)
EMULATOR = f"DefaultEndpointsProtocol=http;AccountName=devices;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:9999/devices;"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, AzureCredentials()),
        ({"AZURE_STORAGE_ACCOUNT": "devices"}, AzureCredentials("devices")),
        (
            {"AZURE_STORAGE_ACCOUNT": "devices", "AZURE_STORAGE_KEY": f"{KEY}\n"},
            AzureCredentials("devices", key=KEY, source="AZURE_STORAGE_KEY"),
        ),
        ({"AZURE_STORAGE_KEY": KEY}, AzureCredentials(key=KEY, source="AZURE_STORAGE_KEY")),
        (
            {
                "AZURE_STORAGE_ACCOUNT": "devices",
                "AZURE_STORAGE_SAS_TOKEN": f"?{SAS}",
                "AZURE_STORAGE_KEY": "",
            },
            AzureCredentials("devices", sas=SAS, source="AZURE_STORAGE_SAS_TOKEN"),
        ),
        (
            {"AZURE_STORAGE_CONNECTION_STRING": CONNECTION, "AZURE_STORAGE_ACCOUNT": "other"},
            AzureCredentials("devices", key=KEY, source="AZURE_STORAGE_CONNECTION_STRING"),
        ),
        (
            {"AZURE_STORAGE_CONNECTION_STRING": EMULATOR},
            AzureCredentials(
                "devices",
                key=KEY,
                endpoint="http://127.0.0.1:9999/devices",
                source="AZURE_STORAGE_CONNECTION_STRING",
            ),
        ),
        (
            {
                "AZURE_STORAGE_CONNECTION_STRING": "BlobEndpoint=https://devices.blob.core.usgovcloudapi.net/;"
                f"SharedAccessSignature={SAS}"
            },
            AzureCredentials(
                "devices",
                sas=SAS,
                endpoint="https://devices.blob.core.usgovcloudapi.net",
                suffix="core.usgovcloudapi.net",
                source="AZURE_STORAGE_CONNECTION_STRING",
            ),
        ),
    ],
)
def test_what_the_environment_says(environ, expected):
    assert read_credentials(environ) == expected


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"AZURE_STORAGE_KEY": "not base64!"},
            "AZURE_STORAGE_KEY holds no storage key, since it is not base64",
        ),
        ({"AZURE_STORAGE_KEY": "abc"}, "AZURE_STORAGE_KEY holds no storage key"),
        (
            {"AZURE_STORAGE_CONNECTION_STRING": CONNECTION.replace(KEY, "secret-thing")},
            "AZURE_STORAGE_CONNECTION_STRING holds no storage key",
        ),
        (
            {"AZURE_STORAGE_CONNECTION_STRING": f"AccountKey={KEY}"},
            "AZURE_STORAGE_CONNECTION_STRING names no account",
        ),
        ({"AZURE_STORAGE_CONNECTION_STRING": "AccountName=devices"}, "holds neither AccountKey=... nor"),
        ({"AZURE_STORAGE_CONNECTION_STRING": "UseDevelopmentStorage=true"}, "names no account"),
    ],
)
def test_what_is_malformed_is_named_and_not_repeated(environ, message):
    with pytest.raises(StorageError, match=message) as refused:
        read_credentials(environ)
    for secret in (KEY, "not base64!", "abc:", "secret-thing"):
        assert secret not in str(refused.value)


def test_the_repr_hides_what_is_secret():
    assert KEY not in repr(AzureCredentials("devices", key=KEY))
    assert SAS not in repr(AzureCredentials("devices", sas=SAS))


def test_sparks_settings_for_a_key():
    environ = {"AZURE_STORAGE_ACCOUNT": "devices", "AZURE_STORAGE_KEY": KEY}
    expected = {
        f"fs.azure.account.auth.type.{LAKE}": "SharedKey",
        f"fs.azure.account.key.{LAKE}": KEY,
        f"fs.azure.account.key.{BLOBS}": KEY,
    }
    assert hadoop_configuration(environ) == expected
    assert hadoop_configuration({"AZURE_STORAGE_CONNECTION_STRING": CONNECTION}) == expected


def test_sparks_settings_for_a_signature():
    environ = {"AZURE_STORAGE_ACCOUNT": "devices", "AZURE_STORAGE_SAS_TOKEN": SAS}
    lake = {f"fs.azure.account.auth.type.{LAKE}": "SAS", f"fs.azure.sas.fixed.token.{LAKE}": SAS}
    assert hadoop_configuration(environ) == lake
    uris = [
        f"wasbs://data@{BLOBS}/in",
        f"wasb://runs@{BLOBS}/",
        f"abfss://lake@{LAKE}/",
        "wasb://c@other.blob.x/",
    ]
    assert hadoop_configuration(environ, uris) == {
        **lake,
        f"fs.azure.sas.data.{BLOBS}": SAS,
        f"fs.azure.sas.runs.{BLOBS}": SAS,
    }


def test_sparks_settings_for_an_emulator():
    assert hadoop_configuration({"AZURE_STORAGE_CONNECTION_STRING": EMULATOR}) == {
        **hadoop_configuration({"AZURE_STORAGE_CONNECTION_STRING": CONNECTION}),
        "fs.azure.abfs.endpoint": "127.0.0.1:9999",
        "fs.azure.always.use.https": "false",
        "fs.azure.networking.library": "JDK_HTTP_URL_CONNECTION",
        "fs.azure.metrics.collection.enabled": "false",
    }


@pytest.mark.parametrize(
    "uri", [f"abfss://data@{LAKE}/in", f"wasbs://data@{BLOBS}/in", f"https://{BLOBS}/data/in"]
)
def test_the_account_may_stand_in_the_uri_alone(uri):
    expected = hadoop_configuration({"AZURE_STORAGE_ACCOUNT": "devices", "AZURE_STORAGE_KEY": KEY})
    assert hadoop_configuration({"AZURE_STORAGE_KEY": KEY}, ["data", uri]) == expected


def test_the_cloud_is_that_of_the_uri():
    environ = {"AZURE_STORAGE_ACCOUNT": "devices", "AZURE_STORAGE_KEY": KEY}
    lake = "devices.dfs.core.chinacloudapi.cn"
    assert hadoop_configuration(environ, [f"abfss://data@{lake}/in"])[f"fs.azure.account.key.{lake}"] == KEY


@pytest.mark.parametrize(
    ("environ", "uris"),
    [
        ({}, None),
        ({"AZURE_STORAGE_ACCOUNT": "devices"}, None),
        ({"AZURE_STORAGE_KEY": KEY}, None),
        ({"AZURE_STORAGE_CONNECTION_STRING": CONNECTION}, ["data", "/runs", "hdfs://namenode/runs"]),
        ({"AZURE_STORAGE_KEY": "no key"}, ["data"]),
    ],
)
def test_spark_is_told_nothing_where_there_is_nothing_to_tell(environ, uris):
    assert hadoop_configuration(environ, uris) == {}
