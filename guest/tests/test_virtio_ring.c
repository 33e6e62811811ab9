/* The driver's side of a split virtqueue, against a device that is played here, well or badly. */
#include "selftest.h"
#include "virtio_config.h"
#include "virtio_ring.h"

#define NUM 8

static unsigned int notifications, callbacks;

static bool count_notify(struct virtqueue *vq)
{
	notifications++;
	return true;
}

static void count_callback(struct virtqueue *vq)
{
	callbacks++;
}

/* The device's view of one queue: nothing but the three addresses. */
struct fake_device {
	struct virtio_device vdev;
	struct virtqueue *vq;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	u16 next_avail;
};

static int fake_device_start(struct fake_device *dev, u64 features)
{
	*dev = (struct fake_device){ .vdev.name = "selftest", .vdev.features = features };
	INIT_LIST_HEAD(&dev->vdev.vqs);
	notifications = callbacks = 0;
	dev->vq = vring_create_virtqueue(0, NUM, VRING_USED_ALIGN_SIZE, &dev->vdev, count_notify, count_callback,
					 "ring");
	EXPECT(dev->vq);
	dev->desc = __va(virtqueue_get_desc_addr(dev->vq));
	dev->avail = __va(virtqueue_get_avail_addr(dev->vq));
	dev->used = __va(virtqueue_get_used_addr(dev->vq));
	EXPECT(IS_ALIGNED((unsigned long)dev->desc, 16) && IS_ALIGNED((unsigned long)dev->used, 4));
	return 0;
}

static u16 *used_event(struct fake_device *dev)
{
	return &dev->avail->ring[NUM];
}

static u16 *avail_event(struct fake_device *dev)
{
	return (u16 *)&dev->used->ring[NUM];
}

/* The head of the next buffer that the driver made available. */
static u16 take_avail(struct fake_device *dev)
{
	return dev->avail->ring[dev->next_avail++ % NUM];
}

static void push_used(struct fake_device *dev, u32 id, u32 len)
{
	dev->used->ring[dev->used->idx % NUM] = (struct vring_used_elem){ id, len };
	dev->used->idx++;
}

static int expect_chain(const struct vring_desc *table, unsigned int head, const struct scatterlist *sg,
			unsigned int out, unsigned int total)
{
	for (unsigned int i = 0; i < total; i++) {
		const struct vring_desc *desc = &table[head];
		u16 flags = (i < out ? 0 : VRING_DESC_F_WRITE) | (i + 1 < total ? VRING_DESC_F_NEXT : 0);

		EXPECT(desc->addr == sg[i].addr && desc->len == sg[i].length && desc->flags == flags);
		head = desc->next;
	}
	return 0;
}

/* Buffers reach the device as they were given, come back in the device's order, and leave nothing behind. */
static int round_trip(u64 features)
{
	struct scatterlist sg[3] = { { 0x1000, 16 }, { 0x2000, 512 }, { 0x3000, 1 } };
	bool indirect = features & (1ULL << VIRTIO_RING_F_INDIRECT_DESC);
	struct fake_device dev;
	int tokens[2];
	u32 len;

	EXPECT(!fake_device_start(&dev, features));
	for (unsigned int lap = 0; lap < 3 * NUM; lap++) {
		u16 first, second;

		EXPECT(!virtqueue_add_sgs(dev.vq, sg, 1, 2, &tokens[0]));
		EXPECT(!virtqueue_add_inbuf(dev.vq, sg, 1, &tokens[1]));
		EXPECT(dev.vq->num_free == NUM - (indirect ? 2u : 4u));
		first = take_avail(&dev);
		second = take_avail(&dev);
		if (indirect) {
			EXPECT(dev.desc[first].flags == VRING_DESC_F_INDIRECT);
			EXPECT(dev.desc[first].len == 3 * sizeof(struct vring_desc));
			EXPECT(!expect_chain(__va(dev.desc[first].addr), 0, sg, 1, 3));
		} else {
			EXPECT(!expect_chain(dev.desc, first, sg, 1, 3));
		}
		EXPECT(!expect_chain(dev.desc, second, sg, 0, 1));

		EXPECT(!virtqueue_get_buf(dev.vq, &len));
		push_used(&dev, second, 7);
		push_used(&dev, first, 0);
		EXPECT(virtqueue_get_buf(dev.vq, &len) == &tokens[1] && len == 7);
		EXPECT(virtqueue_get_buf(dev.vq, &len) == &tokens[0] && len == 0);
		EXPECT(!virtqueue_get_buf(dev.vq, &len));
		EXPECT(dev.vq->num_free == NUM && !dev.vq->broken);
	}
	vring_del_virtqueue(dev.vq);
	EXPECT(list_empty(&dev.vdev.vqs));
	return 0;
}

/* With IN_ORDER descriptors go round the table, and one used element gives a batch back. */
static int in_order(u64 more_features)
{
	struct scatterlist sg[3] = { { 0x1000, 16 }, { 0x2000, 512 }, { 0x3000, 1 } };
	u64 features = 1ULL << VIRTIO_F_IN_ORDER | more_features;
	unsigned int taken = more_features ? 1 : 3; /* descriptors of the first of two buffers */
	struct fake_device dev;
	int tokens[3];
	u16 at = 0;
	u32 len;

	EXPECT(!fake_device_start(&dev, features));
	for (unsigned int lap = 0; lap < 3 * NUM; lap++) {
		u16 used_idx = dev.used->idx;

		EXPECT(!virtqueue_add_sgs(dev.vq, sg, 1, 2, &tokens[0]));
		EXPECT(!virtqueue_add_inbuf(dev.vq, sg, 1, &tokens[1]));
		EXPECT(!virtqueue_add_inbuf(dev.vq, sg, 1, &tokens[2]));
		EXPECT(take_avail(&dev) == at);
		if (taken > 1) /* C131: next is x + 1, and 0 behind the last */
			for (unsigned int i = 0; i < 2; i++)
				EXPECT(dev.desc[(at + i) % NUM].next == (at + i + 1) % NUM);
		at = (at + taken) % NUM;
		EXPECT(take_avail(&dev) == at);

		/* The first two at once: the element of the first names the second. */
		dev.used->ring[used_idx % NUM] = (struct vring_used_elem){ at, 7 };
		dev.used->idx = used_idx + 2;
		EXPECT(virtqueue_get_buf(dev.vq, &len) == &tokens[0] && len == 513);
		EXPECT(virtqueue_get_buf(dev.vq, &len) == &tokens[1] && len == 7);
		EXPECT(!virtqueue_get_buf(dev.vq, &len));
		at = (at + 1) % NUM;
		EXPECT(take_avail(&dev) == at);
		push_used(&dev, at, 16);
		EXPECT(virtqueue_get_buf(dev.vq, &len) == &tokens[2] && len == 16);
		at = (at + 1) % NUM;
		EXPECT(dev.vq->num_free == NUM && !dev.vq->broken);
	}
	vring_del_virtqueue(dev.vq);
	return 0;
}

SELFTEST(virtqueue_in_order)
{
	struct scatterlist sg = { 0x1000, 4 };
	struct fake_device dev;
	int tokens[2];

	EXPECT(!in_order(0));
	EXPECT(!in_order(1ULL << VIRTIO_RING_F_INDIRECT_DESC));

	/* The second one first: a device that agreed to the order and does not keep it. */
	EXPECT(!fake_device_start(&dev, 1ULL << VIRTIO_F_IN_ORDER));
	EXPECT(!virtqueue_add_outbuf(dev.vq, &sg, 1, &tokens[0]));
	EXPECT(!virtqueue_add_outbuf(dev.vq, &sg, 1, &tokens[1]));
	push_used(&dev, 1, 0);
	EXPECT(!virtqueue_get_buf(dev.vq, NULL) && dev.vq->broken);
	vring_del_virtqueue(dev.vq);
	return 0;
}

/* No more bytes are believed than the device may write; what it may not know, the notification tells it. */
SELFTEST(virtqueue_used_length_and_notification_data)
{
	struct scatterlist sg[2] = { { 0x1000, 16 }, { 0x2000, 512 } };
	struct fake_device dev;
	int token;
	u32 len;

	EXPECT(!fake_device_start(&dev, 0));
	for (unsigned int i = 1; i < 4; i++) {
		EXPECT(!virtqueue_add_sgs(dev.vq, sg, 1, 1, &token));
		EXPECT(vring_notification_data(dev.vq) == i << 16);
		EXPECT(virtqueue_kick(dev.vq) && notifications == 2 * i - 1);
		EXPECT(virtqueue_kick_again(dev.vq) && notifications == 2 * i);
		push_used(&dev, take_avail(&dev), UINT32_MAX);
		EXPECT(virtqueue_get_buf(dev.vq, &len) == &token && len == 512);
	}
	vring_del_virtqueue(dev.vq);
	return 0;
}

SELFTEST(virtqueue_round_trip)
{
	EXPECT(!round_trip(0));
	EXPECT(!round_trip(1ULL << VIRTIO_RING_F_INDIRECT_DESC));
	EXPECT(!round_trip(1ULL << VIRTIO_RING_F_INDIRECT_DESC | 1ULL << VIRTIO_RING_F_EVENT_IDX));
	return 0;
}

/* A full ring says -ENOSPC and changes nothing; a chain longer than the queue is refused. */
SELFTEST(virtqueue_knows_its_room)
{
	struct scatterlist sg[NUM + 1] = {};
	struct fake_device dev;
	int token;

	EXPECT(!fake_device_start(&dev, 0));
	EXPECT(virtqueue_add_outbuf(dev.vq, sg, NUM + 1, &token) == -EINVAL);
	EXPECT(!virtqueue_add_outbuf(dev.vq, sg, NUM - 1, &token));
	EXPECT(virtqueue_add_outbuf(dev.vq, sg, 2, &token) == -ENOSPC);
	EXPECT(dev.vq->num_free == 1 && dev.avail->idx == 1);
	EXPECT(virtqueue_detach_unused_buf(dev.vq) == &token && !virtqueue_detach_unused_buf(dev.vq));
	EXPECT(dev.vq->num_free == NUM);
	vring_del_virtqueue(dev.vq);
	return 0;
}

/* Each side is told only of what it asked to hear of. */
SELFTEST(virtqueue_suppresses_notifications)
{
	struct scatterlist sg = { 0x1000, 4 };
	struct fake_device dev;
	int token;

	EXPECT(!fake_device_start(&dev, 1ULL << VIRTIO_RING_F_EVENT_IDX));
	for (unsigned int i = 0; i < 4; i++) {
		*avail_event(&dev) = 2; /* tell me of the third */
		EXPECT(!virtqueue_add_outbuf(dev.vq, &sg, 1, &token));
		EXPECT(virtqueue_kick(dev.vq) && notifications == (i >= 2));
	}
	push_used(&dev, take_avail(&dev), 0);
	EXPECT(virtqueue_get_buf(dev.vq, NULL) == &token && *used_event(&dev) == 1);
	virtqueue_disable_cb(dev.vq);
	push_used(&dev, take_avail(&dev), 0);
	EXPECT(virtqueue_get_buf(dev.vq, NULL) == &token && *used_event(&dev) == 1);
	EXPECT(virtqueue_enable_cb(dev.vq) && *used_event(&dev) == 2 && !dev.avail->flags);
	virtqueue_disable_cb(dev.vq);
	push_used(&dev, take_avail(&dev), 0);
	EXPECT(!virtqueue_enable_cb(dev.vq)); /* came before the device could know */
	vring_del_virtqueue(dev.vq);

	EXPECT(!fake_device_start(&dev, 0));
	dev.used->flags = VRING_USED_F_NO_NOTIFY;
	EXPECT(!virtqueue_add_outbuf(dev.vq, &sg, 1, &token) && virtqueue_kick(dev.vq) && !notifications);
	virtqueue_disable_cb(dev.vq);
	EXPECT(dev.avail->flags == VRING_AVAIL_F_NO_INTERRUPT);
	EXPECT(virtqueue_enable_cb(dev.vq) && !dev.avail->flags);
	vring_del_virtqueue(dev.vq);
	return 0;
}

/* A device that lies breaks its queue, once and for all, and nothing else. */
static int broken_by(u32 id, u16 used_idx)
{
	struct scatterlist sg = { 0x1000, 4 };
	struct fake_device dev;
	int token;

	EXPECT(!fake_device_start(&dev, 0));
	EXPECT(!virtqueue_add_outbuf(dev.vq, &sg, 1, &token));
	vring_interrupt(dev.vq);
	EXPECT(!callbacks); /* a spurious interrupt is no lie */
	dev.used->ring[0].id = id;
	dev.used->idx = used_idx;
	EXPECT(!virtqueue_get_buf(dev.vq, NULL) && dev.vq->broken);
	vring_interrupt(dev.vq);
	EXPECT(!callbacks);
	EXPECT(virtqueue_add_outbuf(dev.vq, &sg, 1, &token) == -EIO && !virtqueue_notify(dev.vq));
	vring_del_virtqueue(dev.vq);
	return 0;
}

SELFTEST(virtqueue_breaks_on_a_lie)
{
	EXPECT(!broken_by(NUM, 1)); /* no such descriptor */
	EXPECT(!broken_by(3, 1)); /* not given to the device */
	EXPECT(!broken_by(0, 2)); /* more used than available */
	EXPECT(!broken_by(0, UINT16_MAX)); /* going backwards */
	return 0;
}
