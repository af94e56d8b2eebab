"""A private Apache Kafka for development and tests: real brokers on this machine, without Docker.

`deploy/kafka/install.sh` fetches the jars and, where there is none, Java. Every broker is a controller of the KRaft
quorum too, listens on the loopback only, and is a child of the process that starts it: when that ends, by whatever
means, so does the broker.

Layout of the folder:
    cluster.id             made at the first start
    <i>/server.properties  of broker i = 1, 2, 3; written anew at each start
    <i>/data               its log and the quorum's
    <i>/broker.log         its warnings and errors
"""

from shared.kafka.broker import Broker
from shared.kafka.cluster import Cluster, Listener
from shared.kafka.install import DEFAULT_HOME, BrokerError

__all__ = ["DEFAULT_HOME", "Broker", "BrokerError", "Cluster", "Listener"]
