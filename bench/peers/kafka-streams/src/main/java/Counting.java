import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.Stores;

/**
 * Calls on Kafka Streams, exactly once: each (source, id) counted once, by (day, hour, rep, outcome).
 *
 * <p>{@code Counting BROKERS TOPIC EVENTS FOLDER GROUP rocksdb|memory}: see bench/peers/programs/side.py. Both stores
 * have their changelogs. Each partition counts for itself, without a second topic between dedupe and count: we know no
 * faster way of doing this exactly.
 */
public final class Counting implements Processor<String, byte[], Void, Void> {
    private static final String SEEN = "seen";
    private static final String COUNTED = "counted";
    private static final byte[] NOTHING = {};
    private static final ObjectReader CALLS =
            new ObjectMapper().configure(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, false).readerFor(Call.class);

    private KeyValueStore<String, byte[]> seen;
    private KeyValueStore<String, Long> counted;

    /** What is needed of a call. */
    public record Call(String rep, String outcome) {}

    @Override
    public void init(ProcessorContext<Void, Void> context) {
        seen = context.getStateStore(SEEN);
        counted = context.getStateStore(COUNTED);
    }

    @Override
    public void process(Record<String, byte[]> record) {
        Headers headers = record.headers();
        String identity = text(headers, "ce_source") + "/" + text(headers, "ce_id");
        if (seen.putIfAbsent(identity, NOTHING) != null) {
            return;
        }
        Call call;
        try {
            call = CALLS.readValue(record.value());
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        String cell = text(headers, "ce_time").substring(0, 13) + "/" + call.rep() + "/" + call.outcome();
        Long before = counted.get(cell);
        counted.put(cell, before == null ? 1L : before + 1);
    }

    private static String text(Headers headers, String name) {
        return new String(headers.lastHeader(name).value(), StandardCharsets.UTF_8);
    }

    public static void main(String[] arguments) throws Exception {
        String brokers = arguments[0];
        String topic = arguments[1];
        long events = Long.parseLong(arguments[2]);
        Path folder = Path.of(arguments[3]);
        String group = arguments[4];
        String stores = arguments[5];

        System.out.println("ready");
        new BufferedReader(new InputStreamReader(System.in)).readLine();
        try (var streams = new KafkaStreams(topology(topic, stores), settings(brokers, group, folder))) {
            streams.start();
            waitUntilCommitted(brokers, group, events);
            System.out.println("committed");
            tell(streams, folder.resolve("answer"));
            System.out.println("answered");
            System.in.read();
        }
    }

    private static Properties settings(String brokers, String group, Path folder) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, group);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, folder.resolve("state").toString());
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, Runtime.getRuntime().availableProcessors());
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        return settings;
    }

    private static Topology topology(String topic, String stores) {
        Topology topology = new Topology();
        topology.addSource("calls", Serdes.String().deserializer(), Serdes.ByteArray().deserializer(), topic);
        topology.addProcessor("counting", Counting::new, "calls");
        topology.addStateStore(
                Stores.keyValueStoreBuilder(store(SEEN, stores), Serdes.String(), Serdes.ByteArray()), "counting");
        topology.addStateStore(
                Stores.keyValueStoreBuilder(store(COUNTED, stores), Serdes.String(), Serdes.Long()).withCachingEnabled(),
                "counting");
        return topology;
    }

    private static KeyValueBytesStoreSupplier store(String name, String stores) {
        return stores.equals("memory") ? Stores.inMemoryKeyValueStore(name) : Stores.persistentKeyValueStore(name);
    }

    /** Returns when what the group has committed are all events, which are dense in their partitions. */
    private static void waitUntilCommitted(String brokers, String group, long events) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", brokers))) {
            long committed = 0;
            while (committed < events) {
                Thread.sleep(20);
                Map<TopicPartition, OffsetAndMetadata> offsets =
                        admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
                committed = offsets.values().stream().mapToLong(at -> at == null ? 0 : at.offset()).sum();
            }
        }
    }

    /** Writes the counts of every partition, a line a cell; a cell that several partitions have stands there for each. */
    private static void tell(KafkaStreams streams, Path file) throws IOException {
        var counts = streams.store(StoreQueryParameters.fromNameAndType(
                COUNTED, QueryableStoreTypes.<String, Long>keyValueStore()));
        try (Writer answer = Files.newBufferedWriter(file); var all = counts.all()) {
            while (all.hasNext()) {
                var cell = all.next();
                answer.write(cell.key + "\t" + cell.value + "\n");
            }
        }
    }
}
