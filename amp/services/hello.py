"""The kernel's rpmsg sample client: its channel and its message (Linux v6.1 samples/rpmsg/rpmsg_client_sample.c)."""

from typing import Final

SERVICE: Final = "rpmsg-client-sample"  # rpmsg_driver_sample_id_table
MESSAGE: Final = b"hello world!"  # MSG, without a NUL: strlen(MSG) bytes are sent
COUNT: Final = 100  # the module's parameter `count`
